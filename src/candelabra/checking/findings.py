"""Derive findings from the statistics of a data set, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.checking import leaks
from candelabra.checking.statistics import DatasetStatistics
from candelabra.checking.survey import Survey
from candelabra.data.issue_lines import describe_issue_kind
from candelabra.data.issues import IssueTreatment
from candelabra.data.samples import SPLITS
from candelabra.data.sampling.duplicates import Duplicates
from candelabra.data.sampling.name_groups import SHARED_BEGINNING
from candelabra.data.sampling.near_duplicates import NEAR_DUPLICATES
from candelabra.data.targets import LabelTarget

_UNEVEN = 10  # ratio of largest to smallest class above which classes are reported as uneven


class FindingLevel(IntEnum):
    """Severity of a finding; the highest one is the exit code."""

    NOTE = 0
    ODD = 1
    UNUSABLE = 2


class Finding(NamedTuple):
    """A finding: its severity, and a sentence."""

    level: FindingLevel
    words: str


@dataclass(frozen=True)
class CheckReport:
    """The results of a check.

    Args:
        survey: the data set.
        tally: its statistics.
        twins: its duplicate images.
        near: see `find_duplicates`.
        seconds: duration of the scan.
    """

    survey: Survey
    tally: DatasetStatistics
    twins: Duplicates
    near: float | None
    seconds: float

    @cached_property
    def contradicting(self) -> list[tuple[NDArray[np.int64], list[str]]]:
        """Groups of equal images with different labels, each with the targets that differ."""
        return leaks.find_contradictions(self.twins.equal, self.tally.answers)

    @cached_property
    def doubtful(self) -> list[NDArray[np.int64]]:
        """Groups of similar images with different classes."""
        answers = {target: values for target, values in self.tally.answers.items() if target == LabelTarget.name}
        return [group for group, _ in leaks.find_contradictions(self.twins.alike, answers)]

    @cached_property
    def names(self) -> list[leaks.SharedName]:
        """File names that splits share, unless the issues list all of them."""
        listed = sum(each.what == SHARED_BEGINNING for each in self.survey.issues)
        found = leaks.find_shared_names(self.survey.samples.names, self.survey.split, self.survey.samples.strata)
        return [each for each in found if each.what != leaks.BEGINNINGS or each.shared > listed]

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        found = [
            *_report_refusal(self.survey),
            *_report_leaks(self),
            *_report_labels(self),
            *_report_issues(self.tally),
            *_report_duplicates(self),
            *_report_classes(self.survey, self.tally),
        ]
        return sorted(found, key=lambda finding: -finding.level)

    @property
    def level(self) -> FindingLevel:
        """The severity of the worst finding."""
        return max((finding.level for finding in self.findings), default=FindingLevel.NOTE)


def _report_refusal(survey: Survey) -> list[Finding]:
    return [Finding(FindingLevel.UNUSABLE, survey.refusal)] if survey.refusal else []


def _report_leaks(report: CheckReport) -> list[Finding]:
    split = report.survey.split
    published = set(report.survey.samples.published.tolist()) - {"train"}
    found = []
    for one, other, images, equal in leaks.find_leaks(*report.twins, split):
        total = int((split == other).sum())
        anew = "data.split=random " * bool(published & {one, other})  # splits that are drawn need no other word
        found.append(
            Finding(
                FindingLevel.ODD,
                f"{other} leaks: {images:,} of its {_images(total)} ({images / total:.1%}) {_are(images)} in {one} too"
                f"{f', {equal:,} of them equal in every pixel' * bool(equal)}. Results on {other} will look better "
                f"than they are; split by person, video or place, or with {anew}data.groups={NEAR_DUPLICATES}.",
            )
        )
    for each in report.names:
        found.append(
            Finding(
                FindingLevel.NOTE,
                f"{each.shared:,} of {each.number:,} {each.what} {_are(each.shared)} in more than one split of "
                f"{_join(each.splits)} ({_images(each.images)}; {', '.join(each.examples[:3])}): are these the same "
                "persons, videos or places?",
            )
        )
    return found


def _report_labels(report: CheckReport) -> list[Finding]:
    found = []
    if report.contradicting:
        targets = sorted({target for _, differing in report.contradicting for target in differing})
        words = f"{_groups(len(report.contradicting))} of equal images {_are(len(report.contradicting))} labelled"
        found.append(Finding(FindingLevel.ODD, f"{words} in contradiction ({', '.join(targets)})."))
    if report.doubtful:
        words = f"{_groups(len(report.doubtful))} of images that show the same {_have(len(report.doubtful))}"
        found.append(Finding(FindingLevel.NOTE, f"{words} more than one class."))
    counts = report.tally.labelled()
    for target in report.survey.samples.labels.targets:
        if counts["train"]["images"] and not counts["train"][target]:
            found.append(Finding(FindingLevel.ODD, f"No training image has a {target}: no head can use it."))
    return found


def _report_issues(tally: DatasetStatistics) -> list[Finding]:
    return [
        Finding(
            FindingLevel.NOTE if treatment == IssueTreatment.USED else FindingLevel.ODD,
            describe_issue_kind(what, treatment, found),
        )
        for what, treatment, found in tally.kinds()
    ]


def _report_duplicates(report: CheckReport) -> list[Finding]:
    split = report.survey.split
    equal, alike = report.twins
    found = []
    if equal:
        words = f"{_images(sum(map(len, equal)))} in {_groups(len(equal))} are equal in every pixel"
        found.append(
            Finding(
                FindingLevel.ODD,
                f"{words}; {_groups(len(leaks.find_cross_split_groups(equal, split)))} over several splits.",
            )
        )
    if alike:
        words = f"{_images(sum(map(len, alike)))} in {_groups(len(alike))} show the same in other files"
        found.append(
            Finding(
                FindingLevel.NOTE,
                f"{words}; {_groups(len(leaks.find_cross_split_groups(alike, split)))} over several splits.",
            )
        )
    return found


def _report_classes(survey: Survey, tally: DatasetStatistics) -> list[Finding]:
    target = survey.samples.labels.find(LabelTarget)
    if target is None:
        return []
    counts = {split: tally.sums[split][target.name]["classes"] for split in SPLITS}
    classes, found = target.classes, []
    if classes and counts["train"].any():
        small, large = int(counts["train"].argmin()), int(counts["train"].argmax())
        fewest, most = int(counts["train"][small]), int(counts["train"][large])
        if most > _UNEVEN * fewest:
            found.append(
                Finding(
                    FindingLevel.NOTE,
                    f"Classes are uneven in train: {classes[large]} has {most}, {classes[small]} {fewest}.",
                )
            )
    for split in SPLITS if survey.refusal is None else ():
        missing = [name for name, count in zip(classes, counts[split], strict=True) if not count]
        if missing:
            level = FindingLevel.ODD if split == "train" else FindingLevel.NOTE
            found.append(Finding(level, f"{split} has no image of {_join(missing[:5])}{', ...' * (len(missing) > 5)}."))
    return found


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def _groups(count: int) -> str:
    return f"{count:,} {'group' if count == 1 else 'groups'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _join(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
