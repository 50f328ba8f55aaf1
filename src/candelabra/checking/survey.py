"""A data set opened to be looked at: also one that nothing can be trained on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.union import Union
from candelabra.data.samples import SPLITS, AmbiguousDataset, Samples
from candelabra.data.views.concat import ConcatSamples
from candelabra.data.views.select_targets import select_targets
from candelabra.errors import CandelabraError

NO_SPLIT = ""  # the split of a sample that is in none


@dataclass(frozen=True)
class Survey:
    """What a check looks at.

    Args:
        samples: all of them, those in no split too.
        parts: indices of each split; as published, where the data set cannot be used.
        issues: of lists and labels, and what `verify` found.
        refusal: why nothing can be trained on it; null where something can.
    """

    samples: Samples
    parts: Mapping[str, NDArray[np.int64]]
    issues: Sequence[DataIssue]
    refusal: str | None

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """(n,) the split of each sample."""
        split = np.full(len(self.samples), NO_SPLIT, dtype="<U5")
        for name, part in self.parts.items():
            split[part] = name
        return split


def open_survey(data: DataModule) -> Survey:
    """Opens a data set; where it refuses to be opened, reads what there is.

    Raises:
        CandelabraError: its lists or labels cannot be read at all.
    """
    try:
        return Survey(data.open(), data.parts, _collect_issues(data), None)
    except CandelabraError as error:
        refusal = str(error)
    if isinstance(data, Union):
        each = {name: open_survey(one) for name, one in data.sets.items()}
        joined = ConcatSamples(
            {name: one.samples for name, one in each.items()}, {name: one.parts for name, one in each.items()}
        )
        found = [_below(name, issue) for name, one in each.items() for issue in one.issues]
        return Survey(joined, split_as_published(joined), found, refusal)
    try:
        samples = select_targets(data.read(), data.targets)
    except AmbiguousDataset as error:
        samples = error.samples
    bad = samples.verify()
    found = [
        *samples.issues,
        *(DataIssue(samples.names[i], "unreadable", IssueTreatment.SKIPPED, why) for i, why in bad.items()),
    ]
    return Survey(samples, split_as_published(samples, bad), found, refusal)


def split_as_published(samples: Samples, bad: Collection[int] = ()) -> dict[str, NDArray[np.int64]]:
    """The indices of each published split, without bad samples."""
    split = samples.published.copy()
    split[list(bad)] = NO_SPLIT
    return {name: np.flatnonzero(split == name) for name in SPLITS}


def _collect_issues(data: DataModule) -> list[DataIssue]:
    if isinstance(data, Union):  # whose own know nothing of what its sets left out
        return [_below(name, issue) for name, one in data.sets.items() for issue in _collect_issues(one)]
    return list(data.issues)


def _below(name: str, issue: DataIssue) -> DataIssue:
    return issue._replace(name=f"{name}/{issue.name}")
