"""WFLW's lists of faces (Wu et al. 2018): 98 points, a box and six attributes a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import OBJECT_RULES, ObjectRule
from candelabra.data.readers import face_landmarks
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_paths
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.samples import Samples
from candelabra.data.targets import LabelTarget
from candelabra.data.targets.box import BoxColumn
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LabelColumn
from candelabra.errors import CandelabraError

_ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
_NUMBERS = 2 * face_landmarks.WFLW_POINTS + 4 + len(_ATTRIBUTES)
_LARGEST = 2**30  # bytes of a list


@dataclass(frozen=True, kw_only=True)
class Wflw(Reader):
    """`list_98pt_rect_attr_train.txt` and `..._test.txt` anywhere below root, and the images that they name.

    An image of several faces takes the labels of one, see `objects`.

    Args:
        root: the folder.
        objects: which of several faces gives the labels: largest, first, or single (several: unlabelled).
    """

    tier = DetectionTier.DATASETS

    root: str
    objects: ObjectRule = "largest"

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_paths("wflw", find_wflw_lists(root), root, cls(root=str(root)))

    def read(self) -> Samples:
        if self.objects not in OBJECT_RULES:
            raise CandelabraError(f"data.objects={self.objects} is not known; allowed are {', '.join(OBJECT_RULES)}.")
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        finder = FileFinder(root, find_images(root))
        seen: dict[str, tuple[str, list[NDArray[np.float32]]]] = {}
        for path in find_wflw_lists(root):
            split = "test" if "test" in path.name.lower() else "train"
            for number, line in enumerate(
                (read_annotation_text(path, path.name, issues, _LARGEST) or "").split("\n"), 1
            ):
                found = _face(line, f"{path.name}:{number}", finder, issues) if line.strip() else None
                if found:
                    seen.setdefault(found[0], (split, []))[1].append(found[1])
        if not seen:
            raise CandelabraError(
                f"data.root={self.root} has no list of faces whose images are there; expected "
                f"list_98pt_rect_attr_train.txt with {_NUMBERS} numbers and an image name a line."
            )
        names = list(seen)
        rows = np.stack([_choose(name, found, self.objects, issues) for name, (_, found) in seen.items()])
        used = resolve_points(
            [str(number) for number in range(face_landmarks.WFLW_POINTS)],
            None,
            face_landmarks.EYE_CORNERS[face_landmarks.WFLW_POINTS],
            face_landmarks.mirror_landmarks(98),
        )
        points = rows[:, : 2 * face_landmarks.WFLW_POINTS].reshape(-1, face_landmarks.WFLW_POINTS, 2)
        columns = [
            LabelColumn(LabelTarget(_ATTRIBUTES, multilabel=True), rows[:, -len(_ATTRIBUTES) :]),
            BoxColumn(repair_boxes(rows[:, -len(_ATTRIBUTES) - 4 : -len(_ATTRIBUTES)], names, issues)),
            KeypointsColumn(used, points),
        ]
        published = np.array([split for split, _ in seen.values()], dtype="<U5")
        return FileSamples(root, names, published, columns, issues)


def find_wflw_lists(root: Path) -> list[Path]:
    """The lists of faces below a folder."""
    return sorted(root.rglob("list_98pt_rect_attr_*.txt"))


def _face(line: str, place: str, finder: FileFinder, issues: list[DataIssue]) -> tuple[str, NDArray[np.float32]] | None:
    """The image of a line and its 206 numbers."""
    words = line.split(maxsplit=_NUMBERS)
    try:
        if len(words) <= _NUMBERS:
            raise ValueError(f"{len(words)} words, where there should be {_NUMBERS + 1}")
        numbers = np.array([float(word) for word in words[:_NUMBERS]], np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError("a number is not finite")
    except ValueError as error:
        issues.append(DataIssue(place, "malformed line of labels", IssueTreatment.SKIPPED, str(error)))
        return None
    name = finder.find(words[_NUMBERS], "")
    if name is None:
        issues.append(DataIssue(words[_NUMBERS].strip(), "listed image is not there", IssueTreatment.SKIPPED))
        return None
    return name, numbers


def _choose(
    name: str, found: Sequence[NDArray[np.float32]], rule: ObjectRule, issues: list[DataIssue]
) -> NDArray[np.float32]:
    if rule == "single" and len(found) > 1:
        detail = f"{len(found)}, with data.objects=single"
        issues.append(DataIssue(name, "several objects", IssueTreatment.UNLABELLED, detail))
        return np.full(_NUMBERS, np.nan, np.float32)
    if rule == "largest":
        left, top, right, bottom = np.abs(np.stack(found)[:, -len(_ATTRIBUTES) - 4 : -len(_ATTRIBUTES)]).T
        return found[int(np.argmax((right - left) * (bottom - top)))]
    return found[0]
