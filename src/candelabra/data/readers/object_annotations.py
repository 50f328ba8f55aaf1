"""Images of several objects, as formats of detection have them; one object of each image gives its labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.class_words import clean_class_name
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment, describe_issues
from candelabra.data.object_choice import OBJECT_RULES, ObjectRule, choose_object, describe_several_objects
from candelabra.data.readers.class_names import list_case_variants
from candelabra.data.readers.object_boxes import find_ignored_objects, make_object_column
from candelabra.data.readers.outline_columns import DrawnObject, make_outline_columns
from candelabra.data.readers.polygons import PolygonOutline
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget, LabelTarget, TargetColumn
from candelabra.data.targets.box import BoxColumn
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LabelColumn
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import UNLABELLED, WidthHeight


@dataclass(frozen=True, slots=True)
class ObjectAnnotation:
    """One labelled object.

    Args:
        name: of its class.
        box: XYXY in pixels, as written; null where there is none.
        points: (K, 2) float32 XY pixels, NaN where not labelled or not there; null where it has none.
        outline: where it is, for the mask.
        crowd: stands for many of its class: drawn into the mask, and never chosen.
        difficult: too hard to tell, says its data set: neither teaches nor counts among `boxes`.
    """

    name: str
    box: tuple[float, float, float, float] | None = None
    points: NDArray[np.float32] | None = None
    outline: PolygonOutline | None = None
    crowd: bool = False
    difficult: bool = False


@dataclass(slots=True)
class AnnotatedImage:
    """One image.

    Args:
        name: its path below the root.
        split: train, val, test or "".
        things: its objects, in the order of the file; null, or none, where nobody said what it shows.
        stated: (width, height) of the image that the labels were made on, as the labels say; null for that of the file.
        partial: some of its objects could not be read, so no mask can show all of them.
    """

    name: str
    split: str = ""
    things: list[ObjectAnnotation] | None = None
    stated: WidthHeight | None = None
    partial: bool = False


def build_object_samples(
    root: Path,
    pictures: Sequence[AnnotatedImage],
    rule: ObjectRule,
    known: Sequence[str],
    wanted: Sequence[str] | None,
    points: KeypointsTarget,
    issues: list[DataIssue],
) -> Samples:
    """Samples of images, each labelled by the object that the rule chooses; masks show all objects.

    Args:
        root: the folder that names are below.
        pictures: the images.
        rule: largest (by the area of its box), first (in the file), or single (images of several objects stay
            without label, box and points).
        known: names of all classes, in their order.
        wanted: classes to look at, objects of others being no objects; null for all that occur.
        points: what is known of keypoints.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: the rule or a wanted class is not known, or there is no object at all.
    """
    wanted = [clean_class_name(str(name)) for name in wanted or ()]
    _check_choice(rule, wanted, known)
    list_case_variants(known, issues)
    for picture in pictures:
        _drop_repeated(picture, issues)
    shown = [[thing for thing in p.things or () if not wanted or thing.name in wanted] for p in pictures]
    if not any(shown):
        raise CandelabraError(
            f"No image below data.root={root} has a labelled object; is data.root right?{describe_issues(issues)}"
        )
    names = [picture.name for picture in pictures]
    shown = _settle_crowds(names, shown, issues)
    boxes = _boxes(names, shown, issues)
    places = [_choose(things, own, rule) for things, own in zip(shown, boxes, strict=True)]
    issues += _describe_several(names, shown, rule)
    picked = [None if place is None else things[place] for things, place in zip(shown, places, strict=True)]
    occurring = {thing.name for thing in picked if thing}
    classes = list(wanted or [name for name in known if name in occurring])
    sides = [_NOWHERE if place is None else own[place] for own, place in zip(boxes, places, strict=True)]
    boxed = any(thing.box is not None for things in shown for thing in things)
    label = np.array([classes.index(thing.name) if thing else UNLABELLED for thing in picked], np.int64)
    columns: list[TargetColumn] = [LabelColumn(LabelTarget(tuple(classes)), label)]
    if boxed:
        columns.append(BoxColumn(np.stack(sides)))
        own = [[thing.name for thing in things] for things in shown]
        words = [[(thing.crowd, thing.difficult) for thing in things] for things in shown]
        labelled = [_knows_boxes(*each) for each in zip(pictures, shown, boxes, strict=True)]
        ignored = find_ignored_objects(names, words, issues)
        columns.append(make_object_column(own, ignored, boxes, labelled, wanted or known))
    coordinates = _coordinates(picked, len(points.names))
    if coordinates is not None:
        columns.append(KeypointsColumn(points, coordinates))
    drawn = [list(map(_make_drawn, things, own)) for things, own in zip(shown, boxes, strict=True)]
    whole = [picture.things is not None and not picture.partial for picture in pictures]
    outlined = [bool(p.things) and all(thing.outline for thing in p.things or ()) for p in pictures]
    columns += make_outline_columns(drawn, whole, outlined, wanted or known)
    return FileSamples(root, names, np.array([picture.split for picture in pictures], dtype="<U5"), columns, issues)


def _check_choice(rule: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    if rule not in OBJECT_RULES:
        raise CandelabraError(f"data.objects={rule} is not known; allowed are {', '.join(OBJECT_RULES)}.")
    for name in wanted:
        if name not in known:
            raise CandelabraError(f"data.classes names {name}; these data have {list_nearest(name, known)}.")


def _describe_several(
    names: Sequence[str], shown: Sequence[Sequence[ObjectAnnotation]], rule: ObjectRule
) -> list[DataIssue]:
    """What the rule does with images of several objects."""
    several = [(name, len(things)) for name, things in zip(names, shown, strict=True) if len(things) > 1]
    if rule != "single":
        return describe_several_objects([name for name, _ in several], len(names), rule)
    return [
        DataIssue(name, "several objects", IssueTreatment.UNLABELLED, f"{count}, with data.objects=single")
        for name, count in several
    ]


_NOWHERE = np.full(4, np.nan, np.float32)


def _knows_boxes(picture: AnnotatedImage, shown: Sequence[ObjectAnnotation], boxes: NDArray[np.float32]) -> bool:
    """Whether it is known where the objects of an image are, or that there is none; not where all of them were lost."""
    if picture.things == []:
        return not picture.partial
    return bool(np.isfinite(boxes).all(1).any()) or (not shown and any(thing.box for thing in picture.things or ()))


def _drop_repeated(picture: AnnotatedImage, issues: list[DataIssue]) -> None:
    """Leaves out objects that are in the file twice, with the same class and box."""
    kept: dict[object, ObjectAnnotation] = {}
    for place, thing in enumerate(picture.things or ()):
        kept.setdefault((thing.name, thing.box) if thing.box and not thing.crowd else place, thing)
    if picture.things and len(kept) < len(picture.things):
        count = len(picture.things) - len(kept)
        issues.append(DataIssue(picture.name, "object is there twice", IssueTreatment.REPAIRED, f"{count} left out"))
        picture.things = list(kept.values())


def _settle_crowds(
    names: Sequence[str], shown: Sequence[list[ObjectAnnotation]], issues: list[DataIssue]
) -> list[list[ObjectAnnotation]]:
    """Lists images that show crowds alone; where all objects of all images are crowds, the word says nothing."""
    crowds = [name for name, things in zip(names, shown, strict=True) if things and all(t.crowd for t in things)]
    if len(crowds) < sum(map(bool, shown)):
        detail = "a crowd (iscrowd=1) is never the one object that gives the labels"
        issues += [DataIssue(name, "only crowds in the image", IssueTreatment.UNLABELLED, detail) for name in crowds]
        return list(shown)
    detail = f"{len(crowds)} images; they are read as objects"
    issues.append(DataIssue(crowds[0], "every object is said to be a crowd", IssueTreatment.REPAIRED, detail))
    return [[replace(thing, crowd=False) for thing in things] for things in shown]


def _boxes(
    names: Sequence[str], shown: Sequence[Sequence[ObjectAnnotation]], issues: list[DataIssue]
) -> list[NDArray[np.float32]]:
    """For each image, the boxes of its objects (m, 4), mended."""
    counts = [len(things) for things in shown]
    owners = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    every = [thing for things in shown for thing in things]
    flat = [thing.box or _NOWHERE for thing in every]
    if any(thing.box for thing in every):
        without = Counter(owner for owner, thing in zip(owners, every, strict=True) if not thing.box)
        issues += [
            DataIssue(owner, "object without a box", IssueTreatment.UNLABELLED, str(count))
            for owner, count in without.items()
        ]
    mended = repair_boxes(np.array(flat, np.float32).reshape(-1, 4), owners, issues)
    return np.split(mended, np.cumsum(counts)[:-1])


def _choose(things: Sequence[ObjectAnnotation], boxes: NDArray[np.float32], rule: ObjectRule) -> int | None:
    """The place of the object whose labels the image takes."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if things and not np.isfinite(areas).any():  # outlines alone
        areas = np.array([thing.outline.area if thing.outline else 0.0 for thing in things])
    areas = np.nan_to_num(areas)
    candidates = [place for place, thing in enumerate(things) if not thing.crowd]
    several = rule == "single" and len(things) > 1  # a crowd is no single object either
    place = None if several else choose_object([float(areas[each]) for each in candidates], rule)
    return None if place is None else candidates[place]


def _coordinates(picked: Sequence[ObjectAnnotation | None], count: int) -> NDArray[np.float32] | None:
    if not count:
        return None
    nowhere = np.full((count, 2), np.nan, np.float32)
    return np.stack([thing.points if thing and thing.points is not None else nowhere for thing in picked])


def _make_drawn(thing: ObjectAnnotation, box: NDArray[np.float32]) -> DrawnObject:
    return DrawnObject(thing.name, thing.outline, box, thing.crowd)
