"""COCO's json (Lin et al. 2014): boxes, outlines and keypoints of objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers import face_landmarks
from candelabra.data.readers.coco_categories import read_categories
from candelabra.data.readers.coco_images import CocoImages
from candelabra.data.readers.coco_json import find_coco_files, load_coco_json, looks_like_coco
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.label_frames import fit_labels_to_files
from candelabra.data.readers.object_annotations import AnnotatedImage, build_object_samples
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import FormatMatch, Reader, match_paths
from candelabra.data.readers.table_cells import load_tables_by_split
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError


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
        skeleton: pairs of points that pictures join with a line; null goes by the categories.
    """

    root: str
    file: str | Mapping[str, str] | None = None
    images: str | Mapping[str, str] | None = None
    objects: ObjectRule = "largest"
    classes: Sequence[str] | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()
    skeleton: Sequence[Sequence[str]] | None = None

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
        skeleton: Sequence[Sequence[str]] = ()
        taken: dict[str, str] = {}
        finder = FileFinder(root, find_images(root))
        for split, file in self._files(root).items():
            document = load_coco_json(root / file)
            categories = read_categories(document, file, self.classes, issues)
            names = list(categories.points)
            if names and points_of and names != points_of:
                raise CandelabraError(f"The points of {file} differ from those of the other files; read them apart.")
            points_of, skeleton = points_of or names, skeleton or categories.skeleton
            known |= dict.fromkeys(categories.names)
            near = self.images if isinstance(self.images, str) else (self.images or {}).get(split)
            reader = CocoImages(root, finder, categories, str(Path(file).parent), near, issues)
            for picture in reader.read(document, split):
                first = taken.setdefault(picture.name, split)
                if first == split:
                    pictures.append(picture)
                else:
                    detail = f"{first} and {split}; it is {first} alone"
                    issues.append(DataIssue(picture.name, "in two splits", IssueTreatment.REPAIRED, detail))
        fit_labels_to_files(root, pictures, issues)
        numbered = all(name.isdigit() for name in points_of) and set(known) == {"face"}
        used = resolve_points(
            points_of,
            self.mirror,
            self.normalizer,
            face_landmarks.mirror_landmarks(len(points_of)) if numbered else None,
            skeleton if self.skeleton is None else self.skeleton,
        )
        return build_object_samples(root, pictures, self.objects, list(known), self.classes, used, issues)

    def _files(self, root: Path) -> Mapping[str, str]:
        if isinstance(self.file, Mapping):
            return load_tables_by_split(self.file, "file")
        return {"": self.file} if self.file else find_coco_files(root)
