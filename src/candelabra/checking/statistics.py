"""Facts added up: memory grows by some 400 bytes an image, whatever the images are."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from candelabra.checking.sample_scan import KEPT_ISSUES, THUMBNAIL_SIDE, SampleScan
from candelabra.checking.survey import NO_SPLIT, Survey
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import SPLITS
from candelabra.data.targets import BoxTarget, KeypointsTarget, LabelTarget

GRID_CELLS = 48  # a side of the maps of boxes and points
_PLACES = (*SPLITS, NO_SPLIT)


class DatasetStatistics:
    """What all samples of a survey come to.

    Args:
        survey: whose samples will be added.

    Attributes:
        sizes: (n, 2) int32 H, W in pixels; 0 where an image could not be read.
        pixels: (n,) uint64, digests of the images.
        answers: for each target, (n,) uint64 digests of what is labelled; 0 where nothing is.
        thumbs: (n, THUMB, THUMB) uint8.
        classes: for each split, images by class.
        boxes: (n, 4) float32 XYXY as shares of width and height, NaN where not labelled.
        covered: (CELLS, CELLS), share of boxes over each place of the image.
        points: (CELLS, CELLS), keypoints in each place.
        visible: (K,) images with each point.
        mask: for each split, (256,) pixels by class.
        present: for each split, (256,) images by class of mask.
        issues: of all kinds, each once.
    """

    def __init__(self, survey: Survey) -> None:
        labels, count = survey.samples.labels, len(survey.samples)
        label, points = labels.find(LabelTarget) or LabelTarget(), labels.find(KeypointsTarget) or KeypointsTarget()
        self.survey = survey
        self.sizes = np.zeros((count, 2), np.int32)
        self.pixels = np.zeros(count, np.uint64)
        self.answers = {target: np.zeros(count, np.uint64) for target in labels.targets}
        self.thumbs = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
        self.classes = {split: np.zeros(len(label.classes), np.int64) for split in _PLACES}
        self.boxes = np.full((count if BoxTarget.name in labels else 0, 4), np.nan, np.float32)
        self.covered = np.zeros((GRID_CELLS, GRID_CELLS))
        self.points = np.zeros((GRID_CELLS, GRID_CELLS), np.int64)
        self.visible = np.zeros(len(points.names), np.int64)
        self.mask = {split: np.zeros(256, np.int64) for split in _PLACES}
        self.present = {split: np.zeros(256, np.int64) for split in _PLACES}
        self.issues: list[DataIssue] = list(survey.issues)
        self._told = {(each.name, each.what) for each in survey.issues}

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) which images could be read."""
        readable: NDArray[np.bool_] = self.sizes[:, 0] > 0
        return readable

    def add(self, facts: SampleScan) -> None:
        """Adds one sample."""
        index, split = facts.number, str(self.survey.split[facts.number])
        self.issues += [each for each in facts.issues if (each.name, each.what) not in self._told]
        if facts.problem is not None:
            self._cannot_be_read(index, split, facts.problem)
            return
        self.sizes[index] = facts.size
        self.pixels[index] = _number(facts.pixels)
        for target, content in facts.answers.items():
            self.answers[target][index] = _number(content)
        if facts.thumb is not None:
            self.thumbs[index] = facts.thumb
        if facts.label is not None and facts.label.ndim:
            self.classes[split] += np.nan_to_num(facts.label).astype(np.int64)
        elif facts.label is not None:
            self.classes[split][int(facts.label)] += 1
        if facts.box is not None:
            self.boxes[index] = facts.box
            left, top, right, bottom = np.clip(facts.box * GRID_CELLS, 0, GRID_CELLS)
            self.covered[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] += 1
        if facts.points is not None:
            self._add_points(facts.points)
        if facts.mask is not None:
            self.mask[split] += facts.mask
            self.present[split] += facts.mask > 0

    def _add_points(self, points: NDArray[np.float32]) -> None:
        known = ~np.isnan(points).any(1)
        self.visible += known
        inside = points[known & (points >= 0).all(1) & (points <= 1).all(1)]
        cells = np.minimum((inside * GRID_CELLS).astype(int), GRID_CELLS - 1)
        np.add.at(self.points, (cells[:, 1], cells[:, 0]), 1)

    def _cannot_be_read(self, index: int, split: str, problem: str) -> None:
        name = self.survey.samples.names[index]
        if (name, "unreadable") not in self._told:
            left_out = split == NO_SPLIT
            treatment = IssueTreatment.SKIPPED if left_out else IssueTreatment.UNLABELLED
            detail = problem if left_out else f"{problem} A grey image without labels stands in for it."
            self.issues.append(DataIssue(name, "unreadable", treatment, detail))

    def kinds(self) -> list[tuple[str, str, list[DataIssue]]]:
        """Issues by what is odd and what is done about it, the most frequent first."""
        counted = Counter((each.what, str(each.treatment)) for each in self.issues)
        groups: dict[tuple[str, str], list[DataIssue]] = {kind: [] for kind, _ in counted.most_common()}
        for each in self.issues:
            groups[each.what, str(each.treatment)].append(each)
        return [(what, treatment, found) for (what, treatment), found in groups.items()]

    def labelled(self) -> dict[str, dict[str, int]]:
        """Images and labels of each target, by split; those in no split are counted as `none`."""
        known = self.survey.samples.labelled()
        return {
            split or "none": {
                "images": int(there.sum()),
                **{target: int((known[target] & there).sum()) for target in self.survey.samples.labels.targets},
            }
            for split in _PLACES
            if (there := self.survey.split == split).any() or split
        }


def _number(content: bytes) -> np.uint64:
    return np.frombuffer(content[:KEPT_ISSUES], np.uint64)[0]  # type: ignore[no-any-return]
