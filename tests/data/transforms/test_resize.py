"""What goes into a model in any way comes back in pixels of the image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import RESIZE_METHODS, make_resize
from candelabra.errors import CandelabraError
from candelabra.prediction import model
from candelabra.tasks.preprocessing import read_trained_resize
from candelabra.types import IGNORED, Sample
from tests.data.builders import FOUR, build_sample

SIZES = [(60, 80), (90, 40), (33, 200), (64, 48), (200, 300)]


def scene(size: tuple[int, int]) -> Sample:
    """A white rectangle about the middle, with its box, two points and mask."""
    height, width = size
    top, left, bottom, right = round(0.4 * height), round(0.46 * width), round(0.7 * height), round(0.54 * width)
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, top:bottom, left:right] = 255
    box = torch.tensor([left, top, right, bottom]).float()
    return build_sample(image, None, box, box.view(2, 2), (image[0] > 0).to(torch.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("word", RESIZE_METHODS)
def test_labels_come_back_to_where_they_were(word: str, size: tuple[int, int]) -> None:
    resize, before = make_resize(word, (96, 64)), scene(size)
    made = make_eval_transforms(resize, FOUR)(scene(size))
    assert made["image"].shape == (3, 96, 64)
    view = resize.view(size)
    back = {key: FOUR[key].to_original(made[key], view) for key in ("box", "keypoints", "mask")}
    scale = max(original / scaled for original, scaled in zip(view.original, view.scaled, strict=True))
    assert (back["box"] - before["box"].as_subclass(Tensor)[0]).abs().max() < 1e-3
    assert (back["keypoints"] - before["keypoints"].as_subclass(Tensor)).abs().max() < 1e-3
    assert back["mask"].shape == size
    seen = back["mask"] != IGNORED
    wrong = (back["mask"] != before["mask"].as_subclass(Tensor)) & seen
    edge = 2 * sum(side * (scale + 1) for side in (0.3 * size[0], 0.08 * size[1]))
    assert wrong.sum() <= edge
    assert bool(seen.all()) == (word != "crop" or size in [(90, 60)])
    if word != "stretch":
        factors = [scaled / original for original, scaled in zip(view.original, view.scaled, strict=True)]
        assert factors[0] == pytest.approx(factors[1], rel=0.05)


def test_a_letterbox_is_grey_and_its_mask_not_labelled_and_a_crop_fills_the_size() -> None:
    made = make_eval_transforms(make_resize("letterbox", (80, 80)), FOUR)(scene((40, 80)))
    assert (made["image"][:, :20] == 128).all()
    assert (made["image"][:, 60:] == 128).all()
    assert (made["mask"][:20] == IGNORED).all()
    assert (made["mask"][20:60] != IGNORED).all()
    cut = make_eval_transforms(make_resize("crop", (40, 40)), FOUR)(scene((40, 80)))
    assert torch.equal(cut["image"], scene((40, 80))["image"].as_subclass(Tensor)[:, :, 20:60])
    assert cut["mask"].max() == 1


def test_what_a_crop_cuts_off_is_not_labelled() -> None:
    image = torch.zeros(3, 40, 120, dtype=torch.uint8)
    edge = build_sample(image, None, torch.tensor([2.0, 5, 30, 20]), torch.tensor([[10.0, 10], [60, 20]]))
    made = make_eval_transforms(make_resize("crop", (40, 40)), FOUR)(edge)
    assert made["box"].isnan().all()
    assert made["keypoints"].isnan().all(1).tolist() == [True, False]
    assert made["keypoints"][1].tolist() == [20, 20]


class Finder(torch.nn.Module):
    """A task that finds what is white."""

    head_targets = FOUR
    backbone = None
    heads: dict[str, torch.nn.Module] = {}

    def __init__(self, resize: str) -> None:
        super().__init__()
        data = {"size": [96, 64], "resize": resize}
        self.recipe = {"config": {"data": data, "trainer": {"precision": "32-true"}}}

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        masks = (images.float().mean(1) > 200).to(torch.uint8)
        boxes = []
        for mask in masks:
            rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
            boxes.append(torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float())
        box = torch.stack(boxes)
        return {"box": box, "keypoints": box.view(-1, 2, 2), "mask": masks}


@pytest.mark.parametrize("word", RESIZE_METHODS)
def test_predictions_are_in_pixels_of_the_file(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "load_trained_task", lambda run: Finder(word))
    paths = []
    for number, size in enumerate(SIZES):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(scene(size)["image"].permute(1, 2, 0).numpy()).save(paths[-1])
    resize = make_resize(word, (96, 64))
    for size, prediction in zip(SIZES, model.Model("run", "cpu")(paths), strict=True):
        found = prediction.values
        expected = scene(size)
        pixel = max(a / b for a, b in zip(size, resize.view(size).scaled, strict=True))
        assert (found["box"] - expected["box"].as_subclass(Tensor)[0]).abs().max() <= pixel + 1
        assert torch.equal(found["keypoints"].flatten(), found["box"])
        assert found["mask"].shape == size
        middle = np.array(size) // 2
        assert found["mask"][middle[0], middle[1]] == 1
        assert set(found["mask"].unique().tolist()) <= {0, 1, IGNORED}
        assert (IGNORED in found["mask"].unique()) == (word == "crop")


def test_predictions_are_resized_as_in_training() -> None:
    assert read_trained_resize({"size": 64}) == "stretch"  # before there was another way
    assert read_trained_resize({"size": 64, "resize": "crop"}) == "crop"
    sets = {"a": {"size": 32, "resize": "letterbox"}, "b": {"size": 32, "resize": "crop"}}
    assert read_trained_resize({"size": None, "resize": None, "sets": sets}) == "letterbox"
    assert read_trained_resize({"size": None, "sets": {"a": {"size": 32}}}) == "stretch"
    assert read_trained_resize({"size": 32, "resize": "crop", "sets": sets}) == "crop"


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(CandelabraError, match=r"data.resize=squash is not known; allowed are stretch, letterbox, crop"):
        make_resize("squash", (32, 32))
