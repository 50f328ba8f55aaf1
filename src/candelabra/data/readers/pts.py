"""Points in a `.pts` file beside each image, as 300-W has them (Sagonas et al. 2013)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.file_finder import find_label_files
from candelabra.data.decoding.label_pairs import find_images_by_stem
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers import face_landmarks
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_paths
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.errors import CandelabraError

_SPLITS = SPLIT_ALIASES | {"trainset": "train", "afw": "train", "testset": "test", "ibug": "test"}  # 300-W's folders
_SPLITS |= {"01_indoor": "test", "02_outdoor": "test"}
_BRACES = re.compile(r"\{(.*?)\}", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Pts(Reader):
    """`image.jpg` and `image.pts`, in any folders; folders named trainset, testset, afw, ibug, ... are the split.

    A file counts pixels from 1. Sixty-eight points are mirrored as iBUG numbers them.

    Args:
        root: the folder.
        mirror: pairs of points, by number, that swap in a mirror image; null for iBUG's.
        normalizer: two points whose distance makes the error relative; null for the outer eye corners of 68 points.
        skeleton: pairs of points, by number, that pictures join with a line.
    """

    tier = DetectionTier.DATASETS

    root: str
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] | None = None
    skeleton: Sequence[Sequence[str]] = ()

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_paths("pts", sorted(root.rglob("*.pts")), root, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        files = {path.with_suffix(""): path for path in find_label_files(root, ".pts", root)}
        images = {root / stem: path for stem, path in find_images_by_stem(root, root, issues).items()}
        for stem in sorted(set(files) - set(images)):
            name = str(files[stem].relative_to(root))
            issues.append(DataIssue(name, "label file without an image", IssueTreatment.SKIPPED))
        names = [str(path.relative_to(root)) for path in images.values()]
        found = [_points(files.get(stem), name, issues) for stem, name in zip(images, names, strict=True)]
        counts = [len(each) for each in found if each is not None]
        if not counts:
            raise CandelabraError(f"data.root={self.root} holds no image with a .pts file of points beside it.")
        count = max(set(counts), key=counts.count)
        keypoints = np.full((len(names), count, 2), np.nan, np.float32)
        for row, each in enumerate(found):
            if each is not None and len(each) == count:
                keypoints[row] = each
            elif each is not None:
                what = DataIssue(
                    names[row], "other number of points", IssueTreatment.UNLABELLED, f"{len(each)}, not {count}"
                )
                issues.append(what)
        eyes = face_landmarks.EYE_CORNERS.get(count, ()) if self.normalizer is None else self.normalizer
        names_of_points = [str(number) for number in range(count)]
        known = face_landmarks.mirror_landmarks(count)
        used = resolve_points(names_of_points, self.mirror, eyes, known, self.skeleton)
        published = np.array([_split(name) for name in names], dtype="<U5")
        return FileSamples(root, names, published, [KeypointsColumn(used, keypoints)], issues)


def _split(name: str) -> str:
    return next((_SPLITS[part.lower()] for part in Path(name).parts[:-1] if part.lower() in _SPLITS), "")


def _numbers(line: str) -> list[float]:
    """The numbers of a line: 10 20, 10,20 or, with decimal commas, 10,5 20,5."""
    words = line.split()
    if len(words) == 1:
        words = re.split("[,;]", words[0])
    elif any(word.endswith((",", ";")) for word in words[:-1]):
        words = [word.rstrip(",;") for word in words]
    return [float(word.replace(",", ".") if word.count(",") == 1 else word) for word in words]


def _points(path: Path | None, name: str, issues: list[DataIssue]) -> NDArray[np.float32] | None:
    """(K, 2) XY counted from 0; null where there are none."""
    if path is None:
        issues.append(DataIssue(name, "image without a label file", IssueTreatment.UNLABELLED))
        return None
    text = read_annotation_text(path, name, issues)
    inside = _BRACES.search(text) if text is not None else None
    try:
        if inside is None:
            raise ValueError("it has no { ... }")
        found = np.array([_numbers(line) for line in inside[1].split("\n") if line.strip()])
        if found.ndim != 2 or found.shape[1] != 2 or not len(found):
            raise ValueError("a line has not two numbers")
    except ValueError as error:
        if text is not None:
            issues.append(DataIssue(name, "malformed pts file", IssueTreatment.UNLABELLED, str(error)))
        return None
    return np.where(np.isfinite(found).all(1, keepdims=True), found - 1, np.nan).astype(np.float32)
