"""The pixels that labels are counted in, compared with those of the image file: once for all labels of an image."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.image_files import (
    SWAPPED_ORIENTATIONS,
    compute_oriented_size,
    open_image,
    read_exif_orientation,
)
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.object_annotations import AnnotatedImage, ObjectAnnotation
from candelabra.data.readers.polygons import turn_shares
from candelabra.errors import UnreadableFile
from candelabra.types import WidthHeight

_MOST = 0.9  # of coordinates that are shares, where a few lie outside of their image
_FEW = 0.1  # of images whose labels exceed their stated size, from which on stated sizes are wrong
_SLACK = 1.0  # pixels that a label may lie outside: some tools count from 1
_SCALED = "stated size is not that of the file, labels scaled"
_TURNED = "stated size is that of the image before EXIF turned it, labels turned as well"
_WRONG = "stated size is not that of the file, which the labels fit: used as they are"
_MISSHAPEN = "stated size has another shape than the file, labels of places not used"
_MASK_TURNED = "outline of the image before EXIF turned it, turned as well"
_MASK_MISSHAPEN = "outline of another shape than its image"


class _Fit(NamedTuple):
    """How the labels of one image lie in its file."""

    picture: AnnotatedImage
    size: WidthHeight  # as it is shown
    orientation: int  # of its EXIF
    turn: int  # orientation by which labels are to be turned; 1 for none
    alike: bool  # stated size and file have one shape, once turned


def is_relative(numbers: Iterable[NDArray[np.floating]]) -> bool:
    """Whether coordinates of a whole data set are shares of the image, not pixels: nine in ten lie between 0 and 1.

    What both may be says nothing: 0, 1, and negative whole numbers, which mark points that are missing.

    >>> is_relative([np.array([0.1, 0.5]), np.array([1.0, 0.2])]), is_relative([np.array([0.5, 12])]), is_relative([])
    (True, False, False)
    >>> is_relative([np.linspace(0.1, 0.9, 19), np.array([-1.0, -1.0, 523.0])])
    True
    """
    inside = telling = 0
    for each in numbers:
        finite = each[np.isfinite(each)]
        within = (finite > 0) & (finite < 1)
        inside += int(within.sum())
        telling += int((within | (finite > 1) | (finite % 1 != 0)).sum())
    return inside > 0 and inside >= _MOST * telling


def fit_labels_to_files(root: Path, pictures: Sequence[AnnotatedImage], issues: list[DataIssue]) -> None:
    """Brings labels of images whose stated size is not that of the file into the pixels of the file, or drops them.

    Where labels of a tenth of the images lie outside of the stated size and inside of the file, stated sizes that
    differ in that way are wrong, and labels are used as they are. Polygons are shares of the image and scale on their
    own; an outline that is a mask has a size of its own, and fits the image or is dropped.

    Args:
        root: the folder that names are below.
        pictures: their `stated` size is looked at, and labels are changed in place.
        issues: list to which issues are appended.
    """
    fits = [fit for picture in pictures if _has_frame(picture) and (fit := _compare(root, picture))]
    misfits = [fit for fit in fits if fit.picture.stated not in (None, fit.size)]
    kinds = Counter((fit.turn, fit.alike) for fit in misfits)
    exceeded = Counter((fit.turn, fit.alike) for fit in misfits if _is_wrong(fit))
    wrong = {kind for kind, count in exceeded.items() if count >= _FEW * kinds[kind]}
    for fit in misfits:
        picture, stated = fit.picture, fit.picture.stated or fit.size
        detail = f"stated {stated[0]} x {stated[1]}, file {fit.size[0]} x {fit.size[1]}"
        if (fit.turn, fit.alike) in wrong:
            what, treatment = _WRONG, IssueTreatment.USED
            picture.things = [_rescale_outline(thing, stated, fit.size) for thing in picture.things or ()]
        elif fit.alike:
            what, treatment = (_TURNED if fit.turn > 1 else _SCALED), IssueTreatment.REPAIRED
            picture.things = [_move(thing, stated, fit) for thing in picture.things or ()]
        else:
            what, treatment = _MISSHAPEN, IssueTreatment.UNLABELLED
            picture.things = [ObjectAnnotation(thing.name, crowd=thing.crowd) for thing in picture.things or ()]
        issues.append(DataIssue(picture.name, what, treatment, detail))
    for fit in fits:
        fit.picture.things = [_fit_mask_outline(thing, fit, issues) for thing in fit.picture.things or ()]


def _has_frame(picture: AnnotatedImage) -> bool:
    things = picture.things or ()
    return bool(things) and (picture.stated is not None or any(t.outline and t.outline.frame for t in things))


def _compare(root: Path, picture: AnnotatedImage) -> _Fit | None:
    """How a stated size and the header of a file differ; null where it cannot be read."""
    try:
        with open_image(resolve_inside(root, picture.name)) as image:
            size = compute_oriented_size(image)
            orientation = read_exif_orientation(image)[0]
    except UnreadableFile:  # it is left out later, with the reason
        return None
    turned = orientation in SWAPPED_ORIENTATIONS
    stated = picture.stated or size
    if _are_alike(stated, size) and (stated == size or stated != size[::-1]):
        return _Fit(picture, size, orientation, 1, alike=True)
    if turned and _are_alike(stated, size[::-1]):
        return _Fit(picture, size, orientation, orientation, alike=True)
    return _Fit(picture, size, orientation, 1, alike=False)


def _fit_mask_outline(thing: ObjectAnnotation, fit: _Fit, issues: list[DataIssue]) -> ObjectAnnotation:
    """An object whose outline, where it is a mask, has the shape of the image; else it has none."""
    frame = thing.outline.frame if thing.outline else None
    if thing.outline is None or frame is None or frame == fit.size:
        return thing
    if fit.orientation in SWAPPED_ORIENTATIONS and _are_alike(frame, fit.size[::-1]):
        what, treatment, outline = _MASK_TURNED, IssueTreatment.REPAIRED, thing.outline.turn(fit.orientation)
    elif _are_alike(frame, fit.size) and frame != fit.size[::-1]:
        return thing  # as a mask file of another size is resized
    else:
        what, treatment, outline = _MASK_MISSHAPEN, IssueTreatment.UNLABELLED, None
    detail = f"outline {frame[0]} x {frame[1]}, file {fit.size[0]} x {fit.size[1]}"
    issues.append(DataIssue(fit.picture.name, what, treatment, detail))
    return replace(thing, outline=outline)


def _are_alike(one: WidthHeight, other: WidthHeight) -> bool:
    """Whether two sizes have one aspect ratio, within a pixel of the smaller."""
    small, large = sorted((one, other))
    return all(abs(large[a] * small[b] / large[b] - small[a]) <= 1 for a, b in ((0, 1), (1, 0)))


def _is_wrong(fit: _Fit) -> bool:
    """Whether some label lies outside of the stated size, and all of them inside of the file."""
    stated, size = fit.picture.stated or fit.size, np.array(fit.size)
    places = np.concatenate([_corners(thing, stated) for thing in fit.picture.things or ()])
    places = places[np.isfinite(places).all(1)]
    return bool((places > np.array(stated) + _SLACK).any() and (places <= size + _SLACK).all())


def _corners(thing: ObjectAnnotation, stated: WidthHeight) -> NDArray[np.float64]:
    places = [np.array(thing.box or (), np.float64).reshape(-1, 2)]
    places += [] if thing.points is None else [thing.points.astype(np.float64)]
    places += [np.array([thing.outline.reach]) * stated] if thing.outline and not thing.outline.frame else []
    return np.concatenate(places)


def _move(thing: ObjectAnnotation, stated: WidthHeight, fit: _Fit) -> ObjectAnnotation:
    """An object in pixels of the file."""
    outline = thing.outline
    if outline is not None and fit.turn > 1 and outline.frame is None:
        outline = outline.turn(fit.turn)
    return replace(
        thing,
        box=None if thing.box is None else _move_box(thing.box, stated, fit),
        points=None if thing.points is None else _move_points(thing.points, stated, fit).astype(np.float32),
        outline=outline,
    )


def _move_box(
    box: tuple[float, float, float, float], stated: WidthHeight, fit: _Fit
) -> tuple[float, float, float, float]:
    corners = _move_points(np.array(box, np.float64).reshape(2, 2), stated, fit)
    if fit.turn > 1:  # corners change places; the order of an inverted box is mended later
        corners = np.stack([corners.min(0), corners.max(0)])
    left, top, right, bottom = corners.flatten().tolist()
    return left, top, right, bottom


def _move_points(points: NDArray[np.floating], stated: WidthHeight, fit: _Fit) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = turn_shares(points / np.array(stated, np.float64), fit.turn) * fit.size
    return moved


def _rescale_outline(thing: ObjectAnnotation, stated: WidthHeight, size: WidthHeight) -> ObjectAnnotation:
    """An object whose outline was made shares by a size that is wrong."""
    if thing.outline is None:
        return thing
    return replace(thing, outline=thing.outline.rescale((stated[0] / size[0], stated[1] / size[1])))
