"""YOLO's text files: a line an object, `class x y width height` as shares of the image, then points or an outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.images import UnreadableFile, read_image_size
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.object_annotations import AnnotatedImage, build_object_samples
from candelabra.data.readers.object_boxes import EMPTY_IMAGE
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import FormatMatch, Reader, match_paths
from candelabra.data.readers.yolo_lines import (
    drop_confidence,
    find_pose_points,
    has_track_numbers,
    parse_yolo_line,
    split_yolo_line,
)
from candelabra.data.readers.yolo_yaml import YoloSet, find_yolo_descriptions, find_yolo_set
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget
from candelabra.errors import CandelabraError


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
        skeleton: pairs of points that pictures join with a line.
    """

    root: str
    file: str | None = None
    objects: ObjectRule = "largest"
    classes: Sequence[str] | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()
    skeleton: Sequence[Sequence[str]] = ()

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        match = match_paths("yolo", find_yolo_descriptions(root), root, cls(root=str(root)))
        if match or not ((root / "images").exists() or list(root.glob("*/images"))):
            return match
        labels = [*sorted(root.glob("labels/**/*.txt")), *sorted(root.glob("*/labels/*.txt"))]
        return match_paths("yolo", labels, root, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        described = find_yolo_set(root, self.file, issues)
        lines = [] if described.shape else _read_lines(described)
        _check_poses(lines)
        tracked = has_track_numbers(lines)
        pictures = [_picture(root, *pair, described, tracked, issues) for pair in described.pairs]
        numbers = {thing.name for picture in pictures for thing in picture.things or ()}
        known = list(dict.fromkeys(described.names.values())) or sorted(numbers, key=int)
        return build_object_samples(root, pictures, self.objects, known, self.classes, self._points(described), issues)

    def _points(self, described: YoloSet) -> KeypointsTarget:
        if not described.points:
            return KeypointsTarget()
        return resolve_points(described.points, self.mirror, self.normalizer, described.mirror, self.skeleton)


def _read_lines(described: YoloSet) -> list[str]:
    files = (labels for _, _, labels in described.pairs if labels is not None)
    return [line for path in files for line in (read_annotation_text(path, path.name, []) or "").splitlines()]


def _check_poses(lines: Sequence[str]) -> None:
    """Raises where all lines look like poses: read as outlines, their points would make masks."""
    count = find_pose_points(lines)
    if count > 1:
        raise CandelabraError(
            f"The label files look like poses, a box and {count} points of x, y and visibility, but nothing says so; "
            f"add kpt_shape: [{count}, 3] to the yaml of the data set (data.file=<yaml>, with train and names)."
        )


def _picture(
    root: Path,
    split: str,
    image: Path,
    labels: Path | None,
    described: YoloSet,
    tracked: bool,
    issues: list[DataIssue],
) -> AnnotatedImage:
    picture = AnnotatedImage(str(image.relative_to(root)), split)
    if labels is None:
        issues.append(DataIssue(picture.name, "image without a label file", IssueTreatment.UNLABELLED))
        return picture
    text = read_annotation_text(labels, picture.name, issues)
    if text is None:
        return picture
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        issues.append(DataIssue(picture.name, "label file without an object", IssueTreatment.USED, EMPTY_IMAGE))
    try:
        size = read_image_size(image)
    except UnreadableFile:
        return picture  # it is left out later, with the reason
    picture.things = []
    predicted = 0
    for line in lines:
        try:
            words = split_yolo_line(line)
            kept = drop_confidence(words, described.shape, tracked)
            picture.things.append(parse_yolo_line(kept, described.names, described.shape, size))
            predicted += len(kept) < len(words)
        except (ValueError, OverflowError, IndexError) as error:
            detail = f"{error} (the line is {line.strip()[:60]})"
            issues.append(DataIssue(picture.name, "malformed line of labels", IssueTreatment.UNLABELLED, detail))
            picture.partial = True
    if predicted:
        what = "boxes with a confidence, which is dropped"
        issues.append(DataIssue(picture.name, what, IssueTreatment.USED, f"{predicted} lines, maybe predictions"))
    return picture
