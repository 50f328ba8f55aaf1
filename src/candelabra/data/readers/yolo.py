"""YOLO's text files: a line an object, `class x y width height` as shares of the image, then points or an outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.images import UnreadableFile, read_image_size
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.object_annotations import AnnotatedImage, ObjectAnnotation, build_object_samples
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import FormatMatch, Reader, match_paths
from candelabra.data.readers.yolo_lines import parse_yolo_line
from candelabra.data.readers.yolo_yaml import YoloSet, find_yolo_set, is_yolo_yaml
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget


@dataclass(frozen=True, kw_only=True)
class Yolo(Reader):
    """Labels for detection, segmentation or pose beside images: those of `images/...` are in `labels/...`.

    Label, box and keypoints are those of one object, see `objects`; masks show all objects by class, where all of an
    image have an outline. The yaml of the data set gives names, splits, `kpt_shape` and `flip_idx`.

    Args:
        root: the folder; nothing outside is read, whatever the yaml says.
        file: the yaml, below root; null looks for it, and without one classes have their numbers as names.
        objects: which of several objects gives the labels: largest, first, or single (several: unlabelled).
        classes: names of the classes to use; null for all.
        mirror: pairs of points that swap in a mirror image; null goes by the yaml.
        normalizer: two points whose distance normalizes keypoint errors; empty for the diagonal of the image.
    """

    root: str
    file: str | None = None
    objects: ObjectRule = "largest"
    classes: Sequence[str] | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        described = (path for path in sorted(root.rglob("*.y*ml")) if is_yolo_yaml(path))
        match = match_paths("yolo", described, root, cls(root=str(root)))
        if match or not ((root / "images").exists() or list(root.glob("*/images"))):
            return match
        labels = [*sorted(root.glob("labels/**/*.txt")), *sorted(root.glob("*/labels/*.txt"))]
        return match_paths("yolo", labels, root, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        described = find_yolo_set(root, self.file, issues)
        pictures = [_picture(root, *pair, described, issues) for pair in described.pairs]
        numbers = {thing.name for picture in pictures for thing in picture.things or ()}
        known = list(described.names.values()) or sorted(numbers, key=int)
        return build_object_samples(root, pictures, self.objects, known, self.classes, self._points(described), issues)

    def _points(self, described: YoloSet) -> KeypointsTarget:
        if not described.points:
            return KeypointsTarget()
        return resolve_points(described.points, self.mirror, self.normalizer, described.mirror)


def _picture(
    root: Path, split: str, image: Path, labels: Path | None, described: YoloSet, issues: list[DataIssue]
) -> AnnotatedImage:
    name = str(image.relative_to(root))
    if labels is None:
        issues.append(DataIssue(name, "image without a label file", IssueTreatment.UNLABELLED))
        return AnnotatedImage(name, split)
    return AnnotatedImage(name, split, _things(labels, image, name, described, issues))


def _things(
    path: Path, image: Path, name: str, described: YoloSet, issues: list[DataIssue]
) -> list[ObjectAnnotation] | None:
    """The objects of one file; null where it cannot be read."""
    text = read_annotation_text(path, name, issues)
    if text is None:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        issues.append(DataIssue(name, "label file without an object", IssueTreatment.UNLABELLED))
        return []
    try:
        size = read_image_size(image)
    except UnreadableFile:
        return None  # it is left out later, with the reason
    try:
        return [parse_yolo_line(line.split(), described.names, described.shape, size) for line in lines]
    except (ValueError, OverflowError) as error:
        issues.append(DataIssue(name, "malformed line of labels", IssueTreatment.UNLABELLED, str(error)))
        return None
