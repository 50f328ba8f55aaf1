"""Categories of a COCO document: names of classes and of keypoints by id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from candelabra.data.class_words import clean_class_name
from candelabra.data.issues import DataIssue
from candelabra.data.readers.class_names import clean_class_names
from candelabra.data.readers.coco_ids import IdIndex, normalize_id
from candelabra.errors import CandelabraError


@dataclass(frozen=True)
class CocoCategory:
    """One category.

    Args:
        name: of the class.
        points: names of its keypoints; empty where it has none.
        skeleton: pairs of these that a line joins.
    """

    name: str
    points: tuple[str, ...] = ()
    skeleton: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CocoCategories:
    """All categories of a document.

    Args:
        by_id: they, by id.
        names: of the classes, in the order of the document.
        points: names of the keypoints that are read, numbers where they have no names.
        skeleton: pairs of these that a line joins.
    """

    by_id: IdIndex[CocoCategory]
    names: Sequence[str]
    points: Sequence[str]
    skeleton: Sequence[tuple[str, str]] = ()


def read_categories(
    document: Mapping[str, Any], file: str, wanted: Sequence[str] | None, issues: list[DataIssue]
) -> CocoCategories:
    """The categories of a document.

    Args:
        document: see `load_coco_json`.
        file: of the document, for errors and issues.
        wanted: names of the classes that are read; null for all.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: a category has no id, two have one id, or those that are wanted have different keypoints.
    """
    listed = document["categories"]
    bad = [each for each in listed if not isinstance(each, Mapping) or normalize_id(each.get("id")) is None]
    if bad:
        raise CandelabraError(f"Categories of data.file={file} have no id or name (such as {bad[0]!r:.80}).")
    stated = ["" if each.get("name") is None else str(each["name"]) for each in listed]
    cleaned = clean_class_names(dict(enumerate(stated)), file, issues)
    by_id: IdIndex[CocoCategory] = IdIndex()
    found: list[CocoCategory] = []
    for place, each in enumerate(listed):
        name = cleaned[place] if stated[place].strip() else str(each["id"])
        category = CocoCategory(name, _point_names(each), _read_skeleton(each))
        first = by_id.add(each["id"], category)
        if first is not None and first.name != name:
            raise CandelabraError(
                f"The categories {first.name} and {name} of data.file={file} have one id ({each['id']}), so nobody can "
                "tell whose objects are whose; give each an id of its own."
            )
        found.append(category)
    chosen = {clean_class_name(str(name)) for name in wanted or ()}
    read = [each for each in found if not chosen or each.name in chosen]
    points = _choose_points(read, document, file)
    skeleton = next((each.skeleton for each in read if each.skeleton and each.points), ())
    return CocoCategories(by_id, list(dict.fromkeys(each.name for each in found)), points, skeleton)


def _point_names(category: Mapping[str, Any]) -> tuple[str, ...]:
    names = category.get("keypoints")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _read_skeleton(category: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of the points of a category, which COCO counts from 1; what is no such pair is left out."""
    points, given = _point_names(category), category.get("skeleton")
    pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2] if isinstance(given, list) else []
    pairs = [pair for pair in pairs if all(type(point) is int for point in pair)]
    first = 0 if any(0 in pair for pair in pairs) else 1  # some programs count from 0
    places = [(one - first, other - first) for one, other in pairs]
    return tuple((points[one], points[other]) for one, other in places if {one, other} <= {*range(len(points))})


def _choose_points(read: Sequence[CocoCategory], document: Mapping[str, Any], file: str) -> Sequence[str]:
    named = {each.points: each.name for each in read if each.points}
    if len(named) > 1:
        raise CandelabraError(
            f"The categories {', '.join(list(named.values())[:6])} of data.file={file} have different keypoints, and "
            "data=coco reads one set of points; name the categories that are meant with data.classes=[...]."
        )
    return next(iter(named)) if named else _number_points(document)


def _number_points(document: Mapping[str, Any]) -> list[str]:
    """Numbers for keypoints that no category names, as many as the first object has."""
    for annotation in document["annotations"]:
        given = annotation.get("keypoints") if isinstance(annotation, Mapping) else None
        if isinstance(given, list) and given:
            each = 1 if isinstance(given[0], list) else 3
            return [str(number) for number in range(len(given) // each)]
    return []
