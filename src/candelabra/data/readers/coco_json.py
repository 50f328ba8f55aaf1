"""Parses the JSON of COCO into objects; every value is validated."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.readers import ochuman
from candelabra.data.readers.object_annotations import ObjectAnnotation
from candelabra.data.readers.polygons import PolygonOutline, Polygons, RunLengths, decode_run_lengths
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError
from candelabra.types import WidthHeight

_LARGEST = 2 * 2**30  # bytes of a json
_PARTS = ('"images"', '"annotations"')


def find_coco_files(root: Path) -> dict[str, str]:
    """The documents below a folder by the split that their path tells, "" for one that tells none.

    Raises:
        CandelabraError: there is none, or more than one for a split.
    """
    found = [path for path in sorted(root.rglob("*.json")) if looks_like_coco(path)]
    if not found:
        raise CandelabraError(
            f"data.root={root} holds no json with images and annotations; name it with data.file=<file below root>."
        )
    files = [str(path.relative_to(root)) for path in found]
    by_split = {split_in_name(file): file for file in files} if len(files) > 1 else {"": files[0]}
    if len(by_split) < len(files) or (len(files) > 1 and "" in by_split):
        raise CandelabraError(
            f"data.root={root} holds {len(files)} json files ({', '.join(files[:6])}); name those that are meant with "
            "data.file=<file below root>, or data.file={train: <file>, val: <file>}."
        )
    return by_split


def looks_like_coco(path: Path) -> bool:
    """Whether a json starts or ends as a document of images and annotations does; it is not read as a whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(2**20)
        file.seek(max(0, size - 2**16))
        ends += file.read()
    text = ends.decode("latin-1")
    return text.lstrip("\ufeff \n\r\t\xef\xbb\xbf").startswith("{") and any(part in text for part in _PARTS)


def split_in_name(file: str) -> str:
    """The split that the words of a path tell, the last first; "" for none."""
    words = re.split(r"[^a-z]+", file.lower())
    return next((SPLIT_ALIASES[word] for word in reversed(words) if word in SPLIT_ALIASES), "")


def load_coco_json(path: Path) -> Mapping[str, Any]:
    """A document with lists of images, annotations and categories.

    Raises:
        CandelabraError: it is missing, too large, no json, or not such a document.
    """
    if not path.is_file():
        raise CandelabraError(f"data.file={path} is missing; name the json with data.file=<file below data.root>.")
    if path.stat().st_size > _LARGEST:
        raise CandelabraError(f"data.file={path} is larger than {_LARGEST // 2**30} GiB, which is not read; divide it.")
    try:
        document = json.loads(path.read_bytes())
        if isinstance(document, dict) and ochuman.is_ochuman(document):
            document = ochuman.convert_to_coco(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CandelabraError(f"data.file={path} cannot be read as json ({error!r}); mend or replace it.") from error
    parts = ("images", "annotations", "categories")
    lacking = [part for part in parts if not isinstance(document, dict) or not isinstance(document.get(part), list)]
    if lacking:
        raise CandelabraError(f"data.file={path} has no list of {' and '.join(lacking)}; COCO's json has {parts}.")
    return document  # type: ignore[no-any-return]


def read_keypoint_names(document: Mapping[str, Any]) -> list[str]:
    """Names of the keypoints, as the first category with points says; numbers where it has no names.

    Raises:
        CandelabraError: categories have other points than one another.
    """
    named = {tuple(map(str, each["keypoints"])) for each in document["categories"] if each.get("keypoints")}
    if len(named) > 1:
        raise CandelabraError("The categories have different keypoints; data=coco reads one set of points.")
    if named:
        return list(named.pop())
    for annotation in document["annotations"]:
        given = annotation.get("keypoints") if isinstance(annotation, dict) else None
        if isinstance(given, list) and given:
            return [str(number) for number in range(len(given) // 3)]
    return []


def parse_coco_object(
    annotation: Mapping[str, Any], categories: Mapping[Any, str], count: int, size: WidthHeight | None
) -> ObjectAnnotation:
    """The object of an annotation.

    Args:
        annotation: as the document has it.
        categories: names of the classes by id.
        count: of keypoints.
        size: (width, height) of the image; null where it is not known, and no outline needs it.

    Raises:
        KeyError, TypeError, ValueError: it is malformed.
    """
    category = annotation.get("category_id")
    if category not in categories:
        raise ValueError(f"category {category} is not known")
    box = None
    if annotation.get("bbox"):
        left, top, width, height = (float(side) for side in annotation["bbox"])
        box = (left, top, left + width, top + height)
    outline = _outline(annotation["segmentation"], size) if annotation.get("segmentation") else None
    return ObjectAnnotation(
        categories[category], box, _points(annotation, count), outline, bool(annotation.get("iscrowd"))
    )


def _points(annotation: Mapping[str, Any], count: int) -> NDArray[np.float32] | None:
    """(K, 2) XY, NaN where the visibility is 0."""
    given = annotation.get("keypoints")
    if not count or not given:
        return None
    if len(given) != 3 * count:
        raise ValueError(f"{len(given)} numbers for {count} keypoints")
    points = np.array(given, np.float32).reshape(count, 3)
    absent = (points[:, 2] <= 0) | ~np.isfinite(points).all(1)
    return np.where(absent[:, None], np.float32("nan"), points[:, :2])


def read_stated_size(image: Mapping[str, Any]) -> WidthHeight | None:
    """(width, height) as the document has them; null where it says nothing that can be.

    >>> sizes = {"width": 640, "height": "480"}, {"width": 640}, {"width": 0, "height": 9}
    >>> [read_stated_size(each) for each in sizes]
    [(640, 480), None, None]
    """
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _outline(segmentation: Any, size: WidthHeight | None) -> PolygonOutline:
    width, height = size or (0, 0)
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    if isinstance(segmentation, Mapping):
        rows, columns = (int(side) for side in segmentation["size"])
        counts = segmentation["counts"]
        return RunLengths((rows, columns), decode_run_lengths(counts) if isinstance(counts, str) else counts)
    return Polygons([_ring(ring, (width, height)) for ring in segmentation])


def _ring(ring: Sequence[float], size: tuple[int, int]) -> NDArray[np.float32]:
    """A polygon as shares of width and height, from x, y, x, y, ... in pixels."""
    points = np.array(ring, np.float64).reshape(-1, 2) / size
    if len(points) < 2 or not np.isfinite(points).all():
        raise ValueError("an outline that is no polygon")
    return points.astype(np.float32)
