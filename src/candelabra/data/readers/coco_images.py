"""Images of a COCO document with their objects."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import read_image_size
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.coco_categories import CocoCategories
from candelabra.data.readers.coco_ids import IdIndex
from candelabra.data.readers.coco_objects import CocoUnits, flatten_numbers, parse_coco_object
from candelabra.data.readers.label_frames import is_relative
from candelabra.data.readers.object_annotations import AnnotatedImage
from candelabra.data.readers.object_boxes import EMPTY_IMAGE
from candelabra.errors import UnreadableFile
from candelabra.types import WidthHeight

_NAMES = ("file_name", "coco_url", "path", "url", "flickr_url")  # where an image may be named, the first wins
_FAULTS = {
    "box": "malformed box",
    "keypoints": "malformed keypoints",
    "outline": "malformed outline",
    "iscrowd": "iscrowd that is neither 0 nor 1",
}


@dataclass
class CocoImages:
    """Reads the images of one document.

    Args:
        root: the folder.
        finder: of images.
        categories: of the document.
        beside: the folder of the document, below root.
        near: the folder of its images, below root, if the user named it.
        issues: list to which issues are appended.
    """

    root: Path
    finder: FileFinder
    categories: CocoCategories
    beside: str
    near: str | None
    issues: list[DataIssue]

    def read(self, document: Mapping[str, Any], split: str) -> list[AnnotatedImage]:
        """The images of a document, in its order."""
        by_id: IdIndex[AnnotatedImage] = IdIndex()
        by_name: dict[str, AnnotatedImage] = {}
        mixed: set[str] = set()  # images that share an id
        for image in document["images"]:
            name = self._find(image)
            if name is None:
                continue
            if name in by_name:
                self._note(name, "image is listed twice", IssueTreatment.REPAIRED, "its objects are put together")
            picture = by_name.setdefault(name, AnnotatedImage(name, split, []))
            picture.stated = picture.stated or read_stated_size(image)
            if "id" not in image:
                self._note(name, "listed image has no id", IssueTreatment.UNLABELLED)
                continue
            other = by_id.add(image["id"], picture)
            if other is not None and other is not picture:
                mixed |= {other.name, name}
                detail = f"id {image['id']} is that of {other.name} as well; nobody can tell whose the objects are"
                self._note(name, "several images have one id", IssueTreatment.UNLABELLED, detail)
        self._annotate(document["annotations"], by_id)
        for name, picture in by_name.items():
            if name in mixed:
                picture.things = None
            elif picture.things == [] and not picture.partial:
                self._note(name, "image without an object", IssueTreatment.USED, EMPTY_IMAGE)
        return list(by_name.values())

    def _find(self, image: Any) -> str | None:
        stated = [str(image[key]) for key in _NAMES if image.get(key)] if isinstance(image, Mapping) else []
        if not stated:
            self._note(str(image)[:80], "listed image has no file_name", IssueTreatment.SKIPPED)
            return None
        if self.near is not None:
            inside = (self.finder.find(str(Path(self.near, each)), self.near) for each in stated)
        else:
            inside = (self.finder.find(each, self.beside) for each in stated)
        name = next((each for each in inside if each is not None), None)
        return name or self.finder.find_listed(stated[0], self.issues, self.near or self.beside)

    def _annotate(self, annotations: Sequence[Any], by_id: IdIndex[AnnotatedImage]) -> None:
        units = find_units(annotations)
        shares = [word for word, relative in zip(("boxes", "keypoints", "outlines"), units, strict=True) if relative]
        if shares:
            what = "coordinates are shares of the image, scaled to pixels"
            self._note(self.beside, what, IssueTreatment.REPAIRED, ", ".join(shares))
        strays: Counter[str] = Counter()
        unmeasured: set[str] = set()
        for annotation in annotations:
            key = annotation.get("image_id") if isinstance(annotation, Mapping) else None
            picture = by_id.find(key)
            if picture is None or picture.things is None:
                strays[f"{key!r:.80}"] += 1
                continue
            if picture.stated is None and (annotation.get("segmentation") or any(units)):
                if picture.name not in unmeasured:
                    self._measure(picture)
                unmeasured.add(picture.name)
            self._add(picture, annotation, units)
        if strays:
            detail = f"{strays.total()}, such as image_id {next(iter(strays))}"
            self._note(self.beside, "annotations of images that are not there", IssueTreatment.SKIPPED, detail)

    def _add(self, picture: AnnotatedImage, annotation: Mapping[str, Any], units: CocoUnits) -> None:
        try:
            thing, faults = parse_coco_object(annotation, self.categories, picture.stated, units)
        except ValueError as error:
            self._note(picture.name, "malformed annotation", IssueTreatment.UNLABELLED, str(error))
            picture.partial = True
            return
        for fault in faults:
            used = IssueTreatment.USED if fault.part == "iscrowd" else IssueTreatment.UNLABELLED
            self._note(picture.name, _FAULTS[fault.part], used, fault.detail)
        if picture.things is not None:
            picture.things.append(thing)

    def _measure(self, picture: AnnotatedImage) -> None:
        """Takes the size from the header of a file, where the document does not state it."""
        self._note(picture.name, "image listed without its size", IssueTreatment.REPAIRED, "that of its file is used")
        try:
            picture.stated = read_image_size(resolve_inside(self.root, picture.name))
        except UnreadableFile:  # it is left out later, with the reason
            return

    def _note(self, name: str, what: str, treatment: IssueTreatment, detail: str = "") -> None:
        self.issues.append(DataIssue(name, what, treatment, detail))


def find_units(annotations: Sequence[Any]) -> CocoUnits:
    """Which coordinates of a document are shares of the image: those that are never above 1."""
    rows = [each for each in annotations if isinstance(each, Mapping)]
    boxes = (_numbers(each.get("bbox")) for each in rows)
    points = (_numbers(each.get("keypoints"), 3) for each in rows)
    rings = (_numbers(ring) for each in rows for ring in _rings(each.get("segmentation")))
    return CocoUnits(is_relative(boxes), is_relative(points), is_relative(rings))


def _rings(segmentation: Any) -> Iterator[Any]:
    if isinstance(segmentation, list):
        yield from (ring if isinstance(ring, list) else [ring] for ring in segmentation)


def _numbers(given: Any, each: int = 1) -> NDArray[np.float64]:
    """Coordinates, without the visibility that every third number of keypoints is; none where they are malformed."""
    try:
        values = flatten_numbers(list(given.values()) if isinstance(given, Mapping) else given or [])
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)
    return values.reshape(-1, 3)[:, :2] if each == 3 and len(values) % 3 == 0 else values


def read_stated_size(image: Mapping[str, Any]) -> WidthHeight | None:
    """(width, height) as the document has them; null where it says nothing that can be.

    >>> sizes = {"width": 640, "height": "480"}, {"width": 640}, {"width": 0, "height": 9}
    >>> [read_stated_size(each) for each in sizes]
    [(640, 480), None, None]
    """
    try:
        width, height = int(float(image["width"])), int(float(image["height"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
