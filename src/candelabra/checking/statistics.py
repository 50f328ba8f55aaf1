"""Statistics of a data set, in about 400 bytes of memory per image."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.checking.sample_scan import SampleScan
from candelabra.checking.survey import NO_SPLIT, Survey
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import SPLITS
from candelabra.data.sampling.image_scan import THUMBNAIL_SIDE
from candelabra.data.targets import Target

_PLACES = (*SPLITS, NO_SPLIT)


class DatasetStatistics:
    """Statistics of the samples of a survey.

    Args:
        survey: of the samples that will be added.

    Attributes:
        sizes: (n, 2) int32 H, W in pixels; 0 where an image could not be read.
        pixels: (n,) uint64, digests of the images.
        answers: for each target, (n,) uint64 digests of what is labelled; 0 where nothing is.
        thumbs: (n, THUMB, THUMB) uint8.
        counts: for each split, the labelled images by target.
        sums: for each split, what each target counts, by its name; see `Target.summarize`.
        issues: of all kinds, each once.
    """

    def __init__(self, survey: Survey) -> None:
        labels, count = survey.samples.labels, len(survey.samples)
        self.survey = survey
        self.sizes = np.zeros((count, 2), np.int32)
        self.pixels = np.zeros(count, np.uint64)
        self.answers = {target: np.zeros(count, np.uint64) for target in labels.targets}
        self.thumbs = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
        self.counts = {split: dict.fromkeys(labels, 0) for split in _PLACES}
        self.sums = {split: {name: make_empty_sums(target) for name, target in labels.items()} for split in _PLACES}
        self.issues: list[DataIssue] = list(survey.issues)
        self._reported = {(each.name, each.what) for each in survey.issues}

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) whether each image could be read."""
        readable: NDArray[np.bool_] = self.sizes[:, 0] > 0
        return readable

    def add(self, facts: SampleScan) -> None:
        """Add one sample."""
        index, split = facts.number, str(self.survey.split[facts.number])
        self.issues += [each for each in facts.issues if (each.name, each.what) not in self._reported]
        if facts.problem is not None:
            self._add_unreadable(index, split, facts.problem)
            return
        self.sizes[index], self.pixels[index], self.thumbs[index] = facts.image
        for target, number in facts.answers.items():
            self.answers[target][index] = number
        for target, summary in facts.summaries.items():
            self.counts[split][target] += 1
            for key, values in summary.items():
                self.sums[split][target][key] += values

    def total(self, target: str, key: str) -> NDArray[Any]:
        """Return the sum over all splits of the count `key` of a target."""
        return np.sum([self.sums[split][target][key] for split in _PLACES], axis=0)  # type: ignore[no-any-return]

    def _add_unreadable(self, index: int, split: str, problem: str) -> None:
        name = self.survey.samples.names[index]
        if (name, "unreadable") not in self._reported:
            left_out = split == NO_SPLIT
            treatment = IssueTreatment.SKIPPED if left_out else IssueTreatment.UNLABELLED
            detail = problem if left_out else f"{problem} A grey image without labels stands in for it."
            self.issues.append(DataIssue(name, "unreadable", treatment, detail))

    def kinds(self) -> list[tuple[str, str, list[DataIssue]]]:
        """Group issues by kind and treatment, the most frequent first."""
        counted = Counter((each.what, str(each.treatment)) for each in self.issues)
        groups: dict[tuple[str, str], list[DataIssue]] = {kind: [] for kind, _ in counted.most_common()}
        for each in self.issues:
            groups[each.what, str(each.treatment)].append(each)
        return [(what, treatment, found) for (what, treatment), found in groups.items()]

    def labelled(self) -> dict[str, dict[str, int]]:
        """Count images and labels of each target by split; `none` counts the images in no split."""
        known = self.survey.samples.labelled()
        return {
            split or "none": {
                "images": int(there.sum()),
                **{target: int((known[target] & there).sum()) for target in self.survey.samples.labels.targets},
            }
            for split in _PLACES
            if (there := self.survey.split == split).any() or split
        }


def make_empty_sums(target: Target) -> dict[str, NDArray[Any]]:
    """Return zeros in the shapes of the counts of a target, in integers wide enough for sums."""
    empty = target.summarize(target.missing((1, 1)), (1, 1))
    return {key: np.zeros(values.shape, np.result_type(values.dtype, np.int64)) for key, values in empty.items()}
