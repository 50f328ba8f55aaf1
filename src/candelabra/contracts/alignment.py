"""Measures by how many pixels a moved value lies beside its moved image, with drawn disks.

Disks at random subpixel places are drawn into the image with smooth edges. A map holds the same disk; of points, each
has a disk of its own. After a transform, the centre of mass of the image is compared with that of the value.

As a pixel is in a map or not, a single disk is about 0.08 pixels off. Each disk is therefore drawn twice, the second
time turned by 180 degrees: in most transforms the errors of the two cancel, which a shift does not.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.contracts.examples import SIZE, make_examples
from candelabra.contracts.movement import MoveSample
from candelabra.data.samples import make_sample
from candelabra.data.targets import Labels, PixelTarget, PointTarget, Target
from candelabra.data.transforms.sample_geometry import drop_invisible
from candelabra.types import Size

_DISKS = 12  # of maps
_POINTS = 8


class DrawnValue(NamedTuple):
    """A value and its picture.

    Args:
        value: plain, of the target.
        image: (3, H, W) float, a disk in the first channel.
        locate: a value, plain -> its centre XY in pixels.
    """

    value: Tensor
    image: Tensor
    locate: Callable[[Tensor], Tensor]


def measure_offset(kind: type[Target], move: MoveSample) -> Tensor:
    """The mean offset XY in pixels of moved values from their moved images.

    Args:
        kind: a target of pixels or of points.
        move: changes a sample of float image and value.
    """
    offsets = []
    for target, drawn in draw_values(kind):
        labels = Labels(target)
        moved = drop_invisible(move(make_sample(drawn.image, labels, {target.name: drawn.value}), labels), labels)
        image = moved["image"].as_subclass(Tensor)
        seen = image[0] * ((image[2] - 1).abs() < 1e-3)  # without the filling
        offsets.append(drawn.locate(target.unwrap(moved[target.name])) - find_centre(seen))
    return torch.stack(offsets).mean(0)


@cache
def draw_values(kind: type[Target]) -> list[tuple[Target, DrawnValue]]:
    """Values of a target with their pictures."""
    rng = np.random.default_rng(1)
    target, (example,) = make_examples(kind, 1)
    if not isinstance(target, PixelTarget):
        assert isinstance(target, PointTarget)
        return [(target, _draw_points(target, rng)) for _ in range(_POINTS)]
    centres, radii = rng.uniform(0.35, 0.65, (_DISKS, 2)) * SIZE[::-1], rng.uniform(0.1, 0.2, _DISKS) * min(SIZE)
    disks = [draw_disk(SIZE, centre, radius) for centre, radius in zip(centres, radii, strict=True)]
    return [(target, _draw_map(target, example, each)) for disk in disks for each in (disk, disk.flip(0, 1))]


def _draw_map(target: PixelTarget, example: Tensor, disk: Tensor) -> DrawnValue:
    known = example[..., target.known(example)]
    low, high = known.min(), known.max()
    value = torch.where(disk > 0.5, high, low).to(target.dtype).expand(example.shape).clone()

    def locate(found: Tensor) -> Tensor:
        channel, seen = found.double().flatten(0, -3)[-1] if found.ndim > 2 else found.double(), target.known(found)
        least, most = (low, high) if found.ndim < 3 else (channel[seen].min(), channel[seen].max())  # of vectors
        return find_centre(torch.where(seen, (channel - least) / (most - least), 0))

    return DrawnValue(value, _stack(disk), locate)


def _draw_points(target: PointTarget, rng: np.random.Generator) -> DrawnValue:
    value = type(target).example(SIZE, rng)[1]
    disks = torch.stack([draw_disk(SIZE, point.double().numpy(), 6.0, 6.0) for point in target.points(value)])
    return DrawnValue(value, _stack(disks.sum(0)), lambda found: target.points(found).double().mean(0))


def draw_disk(size: Size, centre: NDArray[np.float64], radius: float, edge: float = 1.0) -> Tensor:
    """(H, W) float in [0, 1]: about the share of each pixel that lies in a disk; over 0.5 where its centre does.

    Args:
        size: (H, W).
        centre: XY in pixels, of which the first has its centre at 0.5.
        radius: in pixels.
        edge: its width in pixels.
    """
    rows, columns = (torch.arange(side) + 0.5 for side in size)
    distance = torch.hypot((rows - centre[1])[:, None], (columns - centre[0])[None])
    return ((radius - distance) / edge + 0.5).clamp(0, 1).float()


def find_centre(weights: Tensor) -> Tensor:
    """The centre of mass XY of a map (H, W), in pixels of which the first has its centre at 0.5."""
    weights = weights.double()
    height, width = weights.shape
    x = (weights.sum(0) * (torch.arange(width) + 0.5)).sum()
    y = (weights.sum(1) * (torch.arange(height) + 0.5)).sum()
    return torch.stack([x, y]) / weights.sum()


def _stack(disk: Tensor) -> Tensor:
    return torch.stack([disk, torch.zeros_like(disk), torch.ones_like(disk)])
