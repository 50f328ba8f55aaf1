"""Compares where a value of a target went with where its image went.

A map is compared pixel by pixel: the image holds the coordinates of its pixels, which say where each pixel came from.
Of any other value, a drawing is made: the drawing, moved as an image, must look like a drawing of the moved value.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from candelabra.contracts.examples import SIZE
from candelabra.data.samples import make_sample
from candelabra.data.targets import Labels, Target
from candelabra.data.transforms.sample_geometry import drop_invisible
from candelabra.types import Sample

MoveSample = Callable[[Sample, Labels], Sample]
_BLUR = 9  # pixels: drawings are compared as coarsely as this


def measure_agreement(target: Target, value: Tensor, move: MoveSample) -> float:
    """The share, 0 to 1, in which a moved value agrees with its moved image.

    Args:
        target: whose value.
        value: plain, labelled, of the size that `draw` takes.
        move: changes a sample of float image and value.
    """
    size = _read_size(value)
    image = make_coordinates(size) if size else draw_value(target, value, SIZE)
    labels = Labels(target)
    moved = drop_invisible(move(make_sample(image, labels, {target.name: value}), labels), labels)
    found, seen = target.unwrap(moved[target.name]), moved["image"].as_subclass(Tensor)
    if size is None:
        return compare_drawings(seen, draw_value(target, found, (seen.shape[-2], seen.shape[-1])))
    return compare_maps(found, value, seen)


def make_coordinates(size: tuple[int, int]) -> Tensor:
    """(3, H, W) float: row, column, and 1 where there is an image."""
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size), indexing="ij")
    return torch.stack([rows, columns, torch.ones(size)])


def compare_maps(found: Tensor, value: Tensor, coordinates: Tensor) -> float:
    """The share of pixels of the image at which a moved map has the value of the pixel that came there.

    Of a map (C, H, W) of vectors, each channel may have become a multiple of what it was, as when it is mirrored.
    """
    inside = find_inside(coordinates)
    rows, columns = coordinates[:2].round().long()
    wanted = value[..., rows.clamp(0, value.shape[-2] - 1), columns.clamp(0, value.shape[-1] - 1)].double()
    found = found.double()
    if value.ndim > 2:
        inside = inside.expand(wanted.shape)
        both = torch.where(inside, found * wanted, torch.nan)
        squares = torch.where(both.isnan(), torch.nan, wanted.square())
        wanted = wanted * (both.nansum((-2, -1)) / squares.nansum((-2, -1)))[:, None, None]
    known = wanted[inside & ~wanted.isnan()]
    spread = float(known.max() - known.min()) if len(known) else 0.0
    alike = ((found - wanted).abs() <= 0.02 * spread) | (found.isnan() & wanted.isnan())
    return float(alike[inside].float().mean())


def compare_drawings(image: Tensor, other: Tensor) -> float:
    """The share of what is drawn that lies in the same places; 1 where nothing is drawn."""
    heat = [F.avg_pool2d((each[0] * find_inside(each))[None], _BLUR, 3)[0] for each in (image, other)]
    if max(each.sum() for each in heat) < 1:
        return 1.0
    first, second = (each / each.sum().clamp(min=1e-9) for each in heat)
    return float(torch.minimum(first, second).sum())


def draw_value(target: Target, value: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, H, W) float: a value drawn on black, 0, and 1 where there is an image."""
    drawn = np.array(target.draw(Image.new("RGB", size[::-1]), value), np.float32).sum(2)
    return torch.stack([torch.from_numpy(drawn), torch.zeros(size), torch.ones(size)])


def find_inside(image: Tensor) -> Tensor:
    """(H, W) bool: where a moved image shows what was in it before, and no fill."""
    return (image[2] - 1).abs() < 1e-3


def _read_size(value: Tensor) -> tuple[int, int] | None:
    return SIZE if tuple(value.shape[-2:]) == SIZE else None
