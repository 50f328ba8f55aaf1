"""Contract of a target: its values move with the image, or are unlabelled."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, functional

from candelabra.contracts.examples import SIZE, ExampleSamples, make_examples, make_value_batch
from candelabra.contracts.movement import MoveSample, compare_maps, make_coordinates, measure_agreement
from candelabra.contracts.options import list_targets
from candelabra.data.samples import make_sample
from candelabra.data.targets import Labels, Target
from candelabra.data.transforms.crop import crop_and_resize
from candelabra.data.transforms.pipeline import RandomMirror, make_eval_transforms, make_train_transforms
from candelabra.data.transforms.resize import Crop, Letterbox, ResizeMethod, Stretch
from candelabra.data.transforms.sample_geometry import apply_filling

every_target = pytest.mark.parametrize("kind", list_targets().values(), ids=list_targets())
_PART = (6, 8, 84, 112)  # top, left, height, width
_LEAST = 0.7  # of the agreement, for resampling moves edges by up to a pixel
MOVES: dict[str, MoveSample] = {
    "crop": lambda sample, labels: crop_and_resize(sample, labels, _PART, (112, 144)),
    "mirror": lambda sample, labels: RandomMirror(labels, share=1.0)(sample),
    "letterbox": lambda sample, labels: Letterbox((64, 64)).eval_steps(labels)[0](sample),
    "stretch": lambda sample, labels: Stretch((80, 64)).eval_steps(labels)[0](sample),
    "translate": lambda sample, labels: _turn(sample, labels, 0.0),
    "rotate": lambda sample, labels: _turn(sample, labels, 12.0),
}


def _turn(sample: dict[str, object], labels: Labels, angle: float) -> dict[str, object]:
    options = {"angle": angle, "translate": [6, -4], "scale": 1.0, "shear": [0.0, 0.0]}
    return apply_filling(sample, labels, functional.affine, **options, interpolation=InterpolationMode.BILINEAR)


@pytest.mark.parametrize("move", MOVES)
@every_target
def test_a_value_moves_with_its_image(kind: type[Target], move: str) -> None:
    if move == "rotate" and kind.upright:
        pytest.skip("augmentation does not rotate where this target is labelled")
    target, values = make_examples(kind, 3)
    for value in values:
        assert measure_agreement(target, value, MOVES[move]) > _LEAST


@every_target
def test_two_mirror_images_give_the_value_back(kind: type[Target]) -> None:
    target, (value,) = make_examples(kind, 1)
    twice = target.mirror(target.mirror(target.wrap(value.clone(), SIZE), SIZE), SIZE)
    torch.testing.assert_close(target.unwrap(twice), value, rtol=0, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("resize", [Letterbox((80, 80)), Stretch((64, 96)), Crop((72, 72))], ids=["pad", "fit", "crop"])
@every_target
def test_a_value_comes_back_in_pixels_of_the_original_image(kind: type[Target], resize: ResizeMethod) -> None:
    target, (value,) = make_examples(kind, 1)
    labels = Labels(target)
    sample = make_sample(torch.zeros(3, *SIZE), labels, {target.name: value})
    seen = make_eval_transforms(resize, labels)(sample)[target.name]
    back = target.to_original(seen, resize.view(SIZE))
    assert back.shape == value.shape
    if value.shape[-2:] == SIZE:
        cut = target.is_labelled(back[None])  # what the model did not see is unlabelled
        assert cut.all()
        unseen = back != back if back.is_floating_point() else back == target.missing((1, 1))
        coordinates = make_coordinates((back.shape[-2], back.shape[-1]))
        coordinates[2][unseen.flatten(0, -3).any(0) if unseen.ndim > 2 else unseen] = 0
        assert compare_maps(back, value, coordinates) > _LEAST
    else:
        known = ~(back.isnan() | value.isnan())
        torch.testing.assert_close(back[known], value[known], rtol=0, atol=1.0)


@pytest.mark.parametrize("augment", ["light", "strong", "randaugment", "trivialaugment"])
@pytest.mark.parametrize("resize", [Letterbox((64, 48)), Crop((64, 48)), Stretch((64, 48))], ids=["pad", "crop", "fit"])
@every_target
def test_augmentation_labels_nothing_and_keeps_shapes(kind: type[Target], resize: ResizeMethod, augment: str) -> None:
    samples = ExampleSamples(kind)
    target = samples.labels[kind]
    pipeline = make_train_transforms(augment, resize, samples.labels, flip=True)  # type: ignore[arg-type]
    for seed in range(4):
        torch.manual_seed(seed)
        value, missing = (pipeline(samples.load(index))[target.name] for index in (0, 1))
        assert value.dtype == missing.dtype == samples.values[0].dtype
        assert value.shape == missing.shape == target.missing((64, 48)).shape
        assert not target.is_labelled(missing[None]).any()


@every_target
def test_batches_are_resized_and_pictures_enlarged(kind: type[Target]) -> None:
    target, batch = make_value_batch(kind)
    resized = target.resize_batch(batch, SIZE, (48, 64))
    assert (resized.shape[1:], resized.dtype) == (target.missing((48, 64)).shape, batch.dtype)
    assert target.is_labelled(resized).tolist() == [True, False, True]
    larger = target.enlarge(batch[0], 2.0, (192, 256))
    assert larger.shape == target.missing((192, 256)).shape
