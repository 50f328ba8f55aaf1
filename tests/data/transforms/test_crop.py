"""Our crops and colours do what torchvision's do."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from candelabra.data.loading.loader import collate_samples
from candelabra.data.transforms.colour_jitter import ColourJitter, jitter_batch, jitter_image
from candelabra.data.transforms.crop import RandomCrop, ResizedCrop
from candelabra.types import Sample
from tests.data.builders import FOUR, build_sample

PIXELS = torch.randint(0, 256, (60, 90, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).permute(
    2, 0, 1
)


def scene() -> Sample:
    points = torch.tensor([[45.0, 30], [float("nan")] * 2])
    return build_sample(PIXELS, torch.tensor(1), torch.tensor([30.0, 20, 60, 40]), points, PIXELS[0].contiguous())


def plain(sample: Sample, key: str) -> Tensor:
    return sample[key].as_subclass(Tensor)  # type: ignore[literal-required, no-any-return]


@pytest.mark.parametrize("scale", [(0.5, 1.0), (0.08, 0.2), (0.9, 1.0)])
def test_a_random_crop_draws_and_gives_what_torchvisions_does(scale: tuple[float, float]) -> None:
    theirs = v2.RandomResizedCrop((32, 48), scale=scale, ratio=(0.8, 1.25), antialias=True)
    for seed in range(20):
        torch.manual_seed(seed)
        made = RandomCrop(FOUR, (32, 48), scale, (0.8, 1.25))(scene())
        torch.manual_seed(seed)
        expected = theirs(scene())
        assert torch.equal(plain(made, "image"), plain(expected, "image"))
        assert plain(made, "mask").shape == plain(expected, "mask").shape
        box, limits = plain(made, "box").view(2, 2), torch.tensor([48.0, 32])
        assert torch.allclose(box, plain(expected, "box").view(2, 2), atol=1e-4)
        inside = (plain(made, "keypoints")[0] > 0).all() and (plain(made, "keypoints")[0] < limits).all()
        if inside:
            assert torch.allclose(plain(made, "keypoints")[0], plain(expected, "keypoints")[0], atol=1e-4)
        assert plain(made, "keypoints")[1].isnan().all()


def test_a_box_that_a_crop_leaves_out_lies_outside() -> None:
    for seed in range(50):
        torch.manual_seed(seed)
        crop = RandomCrop(FOUR, (32, 32), (0.1, 0.1), (1, 1))
        made = crop(build_sample(PIXELS, box=torch.tensor([0.0, 0, 4, 4])))
        centre = plain(made, "box").view(2, 2).mean(0)
        assert (centre < 0).any() or (centre >= 0).all()
        if (centre < 0).any():
            return
    pytest.fail("no crop left the corner out")


def test_stretching_is_torchvisions_resize() -> None:
    made, expected = ResizedCrop(FOUR, (32, 48))(scene()), v2.Resize((32, 48), antialias=True)(scene())
    for key in ("image", "box"):
        assert torch.equal(plain(made, key), plain(expected, key))
    assert torch.equal(plain(made, "keypoints")[0], plain(expected, "keypoints")[0])
    assert plain(made, "image").permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("factors", [(1.2, 1, 1), (1, 0.8, 1), (1, 1, 1.2), (1, 1, 0.8), (0.9, 1.1, 1.15)])
def test_colours_are_torchvisions_up_to_its_rounding_down(factors: tuple[float, float, float]) -> None:
    calm = (PIXELS // 2 + 50).contiguous()  # where nothing leaves the range
    expected = functional.adjust_brightness(calm, factors[0])
    expected = functional.adjust_saturation(functional.adjust_contrast(expected, factors[1]), factors[2])
    assert (jitter_image(calm, torch.tensor(factors)).int() - expected.int()).abs().max() <= 3
    assert torch.equal(jitter_image(calm, torch.ones(3)), calm)


def test_colours_are_drawn_and_leave_labels_alone() -> None:
    torch.manual_seed(0)
    made = [jitter_batch(ColourJitter(0.2, 0.2, 0.2)(scene())) for _ in range(2)]
    assert made[0].keys() == scene().keys()
    assert not torch.equal(plain(made[0], "image"), plain(made[1], "image"))
    assert torch.equal(plain(made[0], "mask"), plain(scene(), "mask"))
    assert torch.equal(plain(jitter_batch(ColourJitter(0, 0, 0)(scene())), "image"), PIXELS)


def test_one_without_colours_stays_as_it_is_among_others() -> None:
    drawn = ColourJitter(0.4, 0.4, 0.4)({"image": PIXELS})
    images = jitter_batch(collate_samples([{"image": PIXELS}, drawn]))["image"]
    assert torch.equal(images[0], PIXELS)
    assert torch.equal(images[1], jitter_batch(drawn)["image"])
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_image_gets_the_same_colours_in_any_batch(layout: torch.memory_format) -> None:
    images = torch.randint(0, 256, (7, 3, 33, 29), dtype=torch.uint8).contiguous(memory_format=layout)
    factors = 0.6 + 0.8 * torch.rand(7, 3)
    alone = torch.stack([jitter_image(image, each) for image, each in zip(images, factors, strict=True)])
    assert torch.equal(jitter_image(images, factors), alone)
    assert torch.equal(jitter_image(images[2:5], factors[2:5]), alone[2:5])
    batch = jitter_batch({"image": images, "colours": factors})
    assert torch.equal(batch["image"], alone)
    assert batch["image"].is_contiguous(memory_format=layout)
