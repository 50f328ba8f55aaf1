"""COCO's json (Lin et al. 2014): boxes, outlines and keypoints of objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images, read_image_size
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers import face_landmarks
from candelabra.data.readers.coco_json import (
    find_coco_files,
    load_coco_json,
    looks_like_coco,
    parse_coco_object,
    read_keypoint_names,
    read_stated_size,
)
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.object_annotations import AnnotatedImage, build_object_samples
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import FormatMatch, Reader, match_paths
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import WidthHeight


@dataclass(frozen=True, kw_only=True)
class Coco(Reader):
    """A JSON file of images, annotations and categories; label, box and keypoints come from one object, see `objects`.

    A mask shows all objects of an image by class, if all have an outline. The JSON of OCHuman is read too.

    Args:
        root: the folder.
        file: the json below root, or one a split: {train: a.json, val: b.json}; null looks for it.
        images: the folder of the images below root, or one a split; null finds them by name.
        objects: which of several objects gives the labels: largest, first, or single (several: unlabelled).
        classes: names of the classes to use; null for all.
        mirror: pairs of points that swap in a mirror image; null goes by left and right in their names,
            and by the usual numbering of 68 or 98 points of a face.
        normalizer: two points whose distance normalizes keypoint errors; empty for the diagonal of the image.
    """

    root: str
    file: str | Mapping[str, str] | None = None
    images: str | Mapping[str, str] | None = None
    objects: ObjectRule = "largest"
    classes: Sequence[str] | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        found = (path for path in sorted(root.rglob("*.json")) if looks_like_coco(path))
        return match_paths("coco", found, root, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        pictures: list[AnnotatedImage] = []
        known: dict[str, None] = {}
        points_of: list[str] = []
        taken: dict[str, str] = {}
        finder = FileFinder(root, find_images(root))
        for split, file in self._files(root).items():
            document = load_coco_json(root / file)
            categories = _categories(document, file)
            names = read_keypoint_names(document)
            if names and points_of and names != points_of:
                raise CandelabraError(f"The points of {file} differ from those of the other files; read them apart.")
            points_of = points_of or names
            known |= dict.fromkeys(categories.values())
            near = self.images if isinstance(self.images, str) else (self.images or {}).get(split)
            reader = _Reader(root, finder, categories, len(names), str(Path(file).parent), near, issues)
            for picture in reader.pictures(document, split):
                first = taken.setdefault(picture.name, split)
                if first == split:
                    pictures.append(picture)
                else:
                    detail = f"{first} and {split}; it is {first} alone"
                    issues.append(DataIssue(picture.name, "in two splits", IssueTreatment.REPAIRED, detail))
        numbered = all(name.isdigit() for name in points_of) and set(known) == {"face"}
        used = resolve_points(
            points_of,
            self.mirror,
            self.normalizer,
            face_landmarks.mirror_landmarks(len(points_of)) if numbered else None,
        )
        return build_object_samples(root, pictures, self.objects, list(known), self.classes, used, issues)

    def _files(self, root: Path) -> Mapping[str, str]:
        if isinstance(self.file, Mapping):
            return self.file
        return {"": self.file} if self.file else find_coco_files(root)


def _categories(document: Mapping[str, Any], file: str) -> dict[Any, str]:
    """Names of the classes by id."""
    try:
        return {each["id"]: str(each["name"]) for each in document["categories"]}
    except (KeyError, TypeError) as error:
        raise CandelabraError(f"The categories of data.file={file} have no id or name ({error!r}).") from error


@dataclass
class _Reader:
    """Reads the images of one document.

    Args:
        root: the folder.
        finder: of images.
        categories: names of the classes by id.
        count: of points.
        beside: the folder of the document, below root.
        near: the folder of its images, below root, if the user named it.
        issues: list to which issues are appended.
    """

    root: Path
    finder: FileFinder
    categories: Mapping[Any, str]
    count: int
    beside: str
    near: str | None
    issues: list[DataIssue]

    def pictures(self, document: Mapping[str, Any], split: str) -> list[AnnotatedImage]:
        by_id: dict[Any, AnnotatedImage] = {}
        by_name: dict[str, AnnotatedImage] = {}
        sizes: dict[Any, WidthHeight | None] = {}
        for image in document["images"]:
            stated = str(image.get("file_name", "")) if isinstance(image, dict) else ""
            name = self._find(stated)
            if name is None or "id" not in image:
                self._note(stated or str(image)[:80], "listed image is not there", IssueTreatment.SKIPPED)
                continue
            if image["id"] in by_id or name in by_name:
                self._note(name, "image is listed twice", IssueTreatment.REPAIRED, "its objects are put together")
            picture = by_name.setdefault(name, AnnotatedImage(name, split, []))
            by_id.setdefault(image["id"], picture)
            sizes[image["id"]] = read_stated_size(image)
        self._annotate(document["annotations"], by_id, sizes)
        for name, picture in by_name.items():
            if picture.things == []:
                self._note(name, "image without an object", IssueTreatment.UNLABELLED)
        return list(by_name.values())

    def _find(self, stated: str) -> str | None:
        if self.near is not None:
            return self.finder.find(str(Path(self.near, stated)), self.near)
        return self.finder.find(stated, self.beside) if stated else None

    def _annotate(
        self, annotations: Any, by_id: Mapping[Any, AnnotatedImage], sizes: dict[Any, WidthHeight | None]
    ) -> None:
        strays = 0
        for annotation in annotations:
            key = annotation.get("image_id") if isinstance(annotation, dict) else None
            picture = by_id.get(key) if isinstance(key, int | str) else None
            if picture is None:
                strays += 1
                continue
            if annotation.get("segmentation") and sizes[key] is None:
                sizes[key] = self._measured(picture.name)
            try:
                thing = parse_coco_object(annotation, self.categories, self.count, sizes[key])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                self._note(picture.name, "malformed annotation", IssueTreatment.UNLABELLED, str(error))
                picture.things = None
                continue
            if picture.things is not None:
                picture.things.append(thing)
        if strays:
            self._note(self.beside, "annotations of images that are not there", IssueTreatment.SKIPPED, str(strays))

    def _measured(self, name: str) -> WidthHeight:
        """What the header of a file says, where the document does not; zeros where it cannot be read."""
        self._note(name, "image listed without its size", IssueTreatment.REPAIRED, "that of its file is used")
        try:
            return read_image_size(resolve_inside(self.root, name))
        except UnreadableFile:  # it is left out later, with the reason
            return 0, 0

    def _note(self, name: str, what: str, treatment: IssueTreatment, detail: str = "") -> None:
        self.issues.append(DataIssue(name, what, treatment, detail))
