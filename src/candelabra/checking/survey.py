"""Open a data set for a check, even if it cannot be used for training."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue
from candelabra.data.loading.dataset_part import DatasetPart, list_unreadable
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS, AmbiguousDataset, Samples
from candelabra.data.views.concat import ConcatSamples
from candelabra.data.views.select_targets import select_targets
from candelabra.errors import CandelabraError

NO_SPLIT = ""  # split of samples that are in no split


@dataclass(frozen=True)
class Survey:
    """A data set with its splits and issues.

    Args:
        samples: all samples, including those in no split.
        parts: indices of each split; the published splits if the data set cannot be used.
        issues: of lists and labels, and those that `verify` found.
        refusal: why the data set cannot be used for training; null if it can.
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


def open_survey(data: SampleDataModule) -> Survey:
    """Open a data set; if it cannot be used for training, read its samples anyway.

    Raises:
        CandelabraError: lists or labels cannot be read at all.
    """
    try:
        return Survey(data.open(), data.parts, data.issues, None)
    except CandelabraError as error:
        refusal = str(error)
    parts = data.datasets()
    if "" in parts:  # a single data set
        return _read_published(parts[""], refusal)
    each = {name: _survey_part(data, part, refusal) for name, part in parts.items()}
    joined = ConcatSamples(
        {name: one.samples for name, one in each.items()},
        {name: one.parts for name, one in each.items()},
        {name: one.issues for name, one in each.items()},
    )
    return Survey(joined, split_as_published(joined), joined.issues, refusal)


def _survey_part(data: SampleDataModule, part: DatasetPart, refusal: str) -> Survey:
    """Survey one data set of several; with its published splits if it cannot be opened."""
    try:
        return Survey(*part.open(data.on_bad, data.cache, data.cache_gigabytes), refusal)
    except CandelabraError:
        return _read_published(part, refusal)


def _read_published(part: DatasetPart, refusal: str) -> Survey:
    try:
        samples = select_targets(part.reader.read(), part.targets)
    except AmbiguousDataset as error:
        samples = error.samples
    bad = samples.verify()
    issues = [*samples.issues, *list_unreadable(samples, bad)]
    return Survey(samples, split_as_published(samples, bad), issues, refusal)


def split_as_published(samples: Samples, bad: Collection[int] = ()) -> dict[str, NDArray[np.int64]]:
    """Return the indices of each published split, without bad samples."""
    split = samples.published.copy()
    split[list(bad)] = NO_SPLIT
    return {name: np.flatnonzero(split == name) for name in SPLITS}
