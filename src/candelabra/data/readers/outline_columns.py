"""Masks and maps of objects that are drawn from outlines, for formats that have no mask files."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.images import DecodedImage
from candelabra.data.readers.polygons import PolygonOutline
from candelabra.data.targets import InstancesTarget, MaskTarget, PixelTarget, TargetColumn
from candelabra.data.targets.instance_maps import MOST_OBJECTS, UNKNOWN, pack_object
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED

BACKGROUND = "background"  # the first class of every mask
OutlinedObjects = Sequence[tuple[PolygonOutline, int]]  # of one image, each with the value of its pixels


class DrawnObject(NamedTuple):
    """An object of one image.

    Args:
        name: of its class.
        outline: where it is, if somebody said so.
        box: (4,) XYXY in pixels of the file, NaN where there is none.
        crowd: it stands for many of its class.
    """

    name: str
    outline: PolygonOutline | None
    box: NDArray[np.float32]
    crowd: bool


def make_outline_columns(
    shown: Sequence[Sequence[DrawnObject]], whole: Sequence[bool], outlined: Sequence[bool], known: Sequence[str]
) -> list[TargetColumn]:
    """The columns of masks and of objects with their pixels; none where no object has an outline.

    Args:
        shown: the objects of each image that are looked at.
        whole: whether somebody labelled each image, and all of its objects could be read.
        outlined: whether each image has objects, all with an outline, those that are not looked at too.
        known: all classes that somebody looked for, in their order.
    """
    if not any(thing.outline for things in shown for thing in things):
        return []
    return [_make_mask_column(shown, whole, outlined, known), _make_instance_column(shown, whole, known)]


def _make_mask_column(
    shown: Sequence[Sequence[DrawnObject]], whole: Sequence[bool], outlined: Sequence[bool], known: Sequence[str]
) -> "OutlineColumn":
    """Masks of images all of whose objects have outlines.

    Outlines of a class that is called background are drawn as the background, which every mask has.
    """
    occurring = {thing.name for things in shown for thing in things if thing.outline}
    classes = [BACKGROUND, *(name for name in known if name in occurring and name.casefold() != BACKGROUND)]
    if len(classes) > IGNORED:
        raise CandelabraError(
            f"A mask holds at most {IGNORED} classes, but outlines have {len(classes)}; choose some with data.classes."
        )
    values = {name: place for place, name in enumerate(classes)}
    drawings = [
        [(thing.outline, values.get(thing.name, 0)) for thing in things if thing.outline] if full and drawn else None
        for things, full, drawn in zip(shown, whole, outlined, strict=True)
    ]
    return OutlineColumn(MaskTarget(tuple(classes)), drawings)


def _make_instance_column(
    shown: Sequence[Sequence[DrawnObject]], whole: Sequence[bool], known: Sequence[str]
) -> "OutlineColumn":
    """Maps of objects; an object without an outline neither teaches nor counts where its box is."""
    numbers = {name: number for number, name in enumerate(known)}
    drawings: list[OutlinedObjects | None] = []
    for things, full in zip(shown, whole, strict=True):
        if not full or (things and not any(thing.outline for thing in things)):
            drawings.append(None)
            continue
        drawn: list[tuple[PolygonOutline, int]] = []
        for number, thing in enumerate(things, 1):
            outline = thing.outline or (BoxOutline(thing.box) if np.isfinite(thing.box).all() else None)
            code = pack_object(number, numbers[thing.name], thing.crowd or thing.outline is None)
            if outline:
                drawn.append((outline, code if number <= MOST_OBJECTS else UNKNOWN))
        drawings.append(drawn)
    return OutlineColumn(InstancesTarget(tuple(known)), drawings)


class OutlineColumn(TargetColumn):
    """Maps drawn from outlines, at the size that the image is read at; the largest first, so that small ones show.

    Args:
        target: of the values; 0 is where no outline is.
        drawings: for each sample, null where not labelled.
    """

    def __init__(self, target: PixelTarget, drawings: Sequence[OutlinedObjects | None]) -> None:
        self.target, self.drawings = target, drawings
        self._dtype, self._unlabelled = target.dtype, int(target.unlabelled)

    def labelled(self) -> NDArray[np.bool_]:
        return np.array([drawing is not None for drawing in self.drawings], dtype=bool)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        height, width = image.pixels.shape[:2]
        drawing, region = self.drawings[index], image.region
        canvas = torch.full((height, width), self._unlabelled if drawing is None else 0, dtype=self._dtype)
        for outline, value in sorted(drawing, key=lambda pair: -pair[0].area) if drawing else ():
            outline.draw(canvas.numpy(), value, region)
        return canvas

    def content(self, index: int) -> tuple[Any, ...]:
        drawing = self.drawings[index]
        if drawing is None:
            return (None,)
        drawn = [(value, *outline.content()) for outline, value in drawing]
        return tuple(part for parts in drawn for part in parts)


class BoxOutline(PolygonOutline):
    """The inside of a box, of an object without an outline; drawn before all others.

    Args:
        box: XYXY in pixels of the file.
    """

    area = float("inf")

    def __init__(self, box: NDArray[np.float32]) -> None:
        self.box = box

    def draw(self, canvas: NDArray[Any], value: int, region: CoveredRegion) -> None:
        corner, extent = (np.array(each, np.float32) for each in (region.corner, region.extent))
        ends = (self.box.reshape(2, 2) - corner) / extent * np.array(canvas.shape[::-1], np.float32)
        left, top = np.floor(ends[0]).clip(0).astype(int)
        right, bottom = np.ceil(ends[1]).clip(0).astype(int)
        if (ends[1] > ends[0]).all():
            canvas[top:bottom, left:right] = value

    def content(self) -> tuple[object, ...]:
        return (self.box,)

    def turn(self, orientation: int) -> "BoxOutline":
        return self  # the box is in pixels of the image as it is shown already

    def rescale(self, factors: tuple[float, float]) -> "BoxOutline":
        return self  # likewise
