"""Contract of a target of pixels or points: a moved value lies where its image went, to 0.05 pixels on average."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, functional

from candelabra.contracts.alignment import draw_values, find_centre, measure_offset
from candelabra.contracts.examples import SIZE
from candelabra.contracts.movement import MoveSample
from candelabra.contracts.options import list_targets
from candelabra.data.samples import make_sample
from candelabra.data.targets import Labels, PixelTarget, PointTarget, Target
from candelabra.data.transforms.crop import crop_and_resize
from candelabra.data.transforms.pipeline import RandomMirror, make_eval_transforms
from candelabra.data.transforms.resize import Crop, Letterbox, ResizeMethod, Stretch
from candelabra.data.transforms.sample_geometry import apply_filling
from candelabra.types import Sample, Size

_MOST = 0.05  # pixels
PLACED = {name: kind for name, kind in list_targets().items() if issubclass(kind, PixelTarget | PointTarget)}
every_placed_target = pytest.mark.parametrize("kind", PLACED.values(), ids=PLACED)
_SIZES: list[Size] = [(48, 64), (40, 56), (64, 64), (130, 170)]
RESIZES: dict[str, ResizeMethod] = {
    f"{kind.__name__}-{size[0]}x{size[1]}": kind(size) for kind in (Stretch, Letterbox, Crop) for size in _SIZES
}


def _affine(angle: float = 0.0, shear: float = 0.0, scale: float = 1.0, x: int = 0) -> MoveSample:
    options = {"angle": angle, "translate": [x, -x], "scale": scale, "shear": [shear, 0.0]}

    def move(sample: Sample, labels: Labels) -> Sample:
        return apply_filling(sample, labels, functional.affine, **options, interpolation=InterpolationMode.BILINEAR)

    return move


MOVES: dict[str, MoveSample] = {
    "crop": lambda sample, labels: crop_and_resize(sample, labels, (7, 9, 83, 111), (64, 64)),
    "mirror": lambda sample, labels: RandomMirror(labels, share=1.0)(sample),
    "mirrored-crop": lambda sample, labels: RandomMirror(labels, share=1.0)(
        crop_and_resize(sample, labels, (7, 9, 80, 112), (40, 56))
    ),
    "translate": _affine(x=5),
    "rotate": _affine(angle=14.0),
    "shear": _affine(shear=9.0),
    "scale": _affine(scale=0.8),
}


@pytest.mark.parametrize("name", RESIZES)
@every_placed_target
def test_a_resized_value_lies_where_its_image_does(kind: type[Target], name: str) -> None:
    steps = RESIZES[name].eval_steps
    offset = measure_offset(kind, lambda sample, labels: steps(labels)[0](sample))
    assert offset.abs().max() <= _MOST, offset


@pytest.mark.parametrize("name", MOVES)
@every_placed_target
def test_a_moved_value_lies_where_its_image_does(kind: type[Target], name: str) -> None:
    if name in ("rotate", "shear") and kind.upright:
        pytest.skip("augmentation does not rotate where this target is labelled")
    offset = measure_offset(kind, MOVES[name])
    assert offset.abs().max() <= _MOST, offset


@pytest.mark.parametrize("name", RESIZES)
@every_placed_target
def test_a_prediction_lies_where_the_original_image_has_it(kind: type[Target], name: str) -> None:
    resize, offsets = RESIZES[name], []
    view = resize.view(SIZE)
    for target, drawn in draw_values(kind):
        labels = Labels(target)
        sample = make_sample(drawn.image, labels, {target.name: drawn.value})
        seen = make_eval_transforms(resize, labels)(sample)[target.name]
        offsets.append(drawn.locate(target.to_original(seen, view)) - find_centre(drawn.image[0]))
    pixels = torch.tensor([view.scaled[1] / SIZE[1], view.scaled[0] / SIZE[0]]).clamp(max=1)  # of the coarser map
    assert (torch.stack(offsets).mean(0) * pixels).abs().max() <= _MOST


@pytest.mark.parametrize("size", _SIZES)
@every_placed_target
def test_values_of_batches_and_pictures_lie_where_their_images_do(kind: type[Target], size: Size) -> None:
    scale = torch.tensor([size[1] / SIZE[1], size[0] / SIZE[0]])
    resized, enlarged = [], []
    for target, drawn in draw_values(kind):
        truth = find_centre(drawn.image[0])
        resized.append(drawn.locate(target.resize_batch(drawn.value[None], SIZE, size)[0]) - truth * scale)
        enlarged.append(drawn.locate(target.enlarge(drawn.value, 1.75, (168, 224))) - truth * 1.75)
    assert torch.stack(resized).mean(0).abs().max() <= _MOST
    assert torch.stack(enlarged).mean(0).abs().max() <= _MOST
