"""Divides samples into training, validation and test."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import ALL_SPLITS, SPLITS, Samples, hash_contents
from candelabra.data.sampling.class_split import split_classes
from candelabra.data.sampling.name_tables import is_table, read_column
from candelabra.data.sampling.near_duplicates import NEAR_DUPLICATES, number_near_duplicates
from candelabra.data.sampling.split_drawing import SplitIndices, deal_groups, draw_grouped_split, draw_nested_share
from candelabra.data.sampling.split_names import parse_split_cells
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
DRAWN = 0.15  # the share of a test split that is drawn where no share is given
_OUT = "out"  # marks a sample that is in no split
SampleNames = NDArray[np.str_]


@dataclass(frozen=True)
class Splitter:
    """Divides samples as published, by a table, or at random; splits that are not given are drawn by stratum and group.

    Args: `split`, `val`, `test`, `groups`, `folds`, `fold` and `fraction`: see `DatasetOptions`.
        seed: equal seeds give equal splits, folds and fractions.
        root: the folder of the data set, where tables are looked for too.
        whole: the split that is measured alone: it has its published images, or all where none are published; for
            `ALL_SPLITS` all are test images; null divides as in training.
        trained: of `hash_names`, the data that are divided as in training all the same, wherever they lie.
    """

    split: str = "published"
    val: float = 0.15
    test: float | None = None
    groups: str | None = None
    folds: int | None = None
    fold: int = 0
    seed: int = 0
    root: str | None = None
    whole: str | None = None
    trained: str | None = None
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.split not in ("published", "random", "by_class") and not is_table(self.split):
            raise CandelabraError(
                f"data.split={self.split} is not known; allowed are published, random, by_class, and a table "
                "<file>.csv with the columns name and split."
            )
        if self.split == "by_class" and (self.groups or self.folds):
            other = f"data.groups={self.groups}" if self.groups else f"data.folds={self.folds}"
            raise CandelabraError(f"data.split=by_class divides whole classes, and {other} otherwise; leave one out.")
        test = self.test if self.test is not None else 0.0 if self.folds else DRAWN  # a fold is not drawn
        if self.val + test >= 1 or min(self.val, test) < 0:
            both = f"data.val={self.val}" if self.folds else f"data.val={self.val} and data.test={test}"
            raise CandelabraError(f"{both} must leave something to train on, and be 0 or more.")
        if not 0 < self.fraction <= 1:
            raise CandelabraError(f"data.fraction={self.fraction} must be a share above 0 and at most 1.")
        if self.folds is not None and (self.folds < 2 or not 0 <= self.fold < self.folds):
            raise CandelabraError(
                f"data.folds={self.folds} data.fold={self.fold}: folds must be at least 2, and fold below it, from 0."
            )
        if self.folds is None and self.fold:
            raise CandelabraError(f"data.fold={self.fold} does nothing without data.folds, the number of folds.")
        if self.folds and self.test is not None:
            raise CandelabraError(
                f"data.test={self.test} does nothing with data.folds={self.folds}: the test split is fold "
                f"{self.fold} of them; leave data.test out."
            )
        if self.folds and is_table(self.split):
            raise CandelabraError(f"data.folds={self.folds} divides all images, and data.split={self.split} too.")

    def parts(self, samples: Samples, bad: Collection[int] = ()) -> dict[str, SplitIndices]:
        """The indices of each split; samples in `bad` are in none.

        Raises:
            CandelabraError: a split would be empty, a class has no training image, or a table or groups do not fit.
        """
        given = self._read_given(samples)
        given[list(bad)] = _OUT
        if (whole := self._choose_whole(samples, given)) is not None:
            return whole
        if self.groups == NEAR_DUPLICATES and not self.folds and not self.find_missing(given):
            raise CandelabraError(
                f"data.groups={self.groups} has nothing to divide: data.split={self.split} already says which images "
                "are in train, val and test; divide them anew with data.split=random, or leave data.groups out."
            )
        groups = self.number_groups(samples)
        if self.folds:
            pool = np.flatnonzero(given == "")
            given[pool[deal_groups(pool, samples.strata, groups, self.folds, self.seed) == self.fold]] = "test"
        chosen = given.copy()
        if not (given == "train").any():
            chosen[given == ""] = "train"
        rng = np.random.default_rng(self.seed)
        test = self._test_share(given)
        for split, share in self.find_missing(given).items():
            pool = np.flatnonzero(chosen == "train")
            share = share if split == "test" else share / (1 - (0 if (given == "test").any() else test))
            chosen[draw_grouped_split(pool, samples.strata, groups, share, rng)] = split
            _return_only_images(chosen, pool, samples, groups, split)
        if lacking := int((chosen == "").sum()):
            log.warning("%d of %d images have no split, where others have one: they are left out", lacking, len(chosen))
        parts = {split: np.flatnonzero(chosen == split) for split in SPLITS}
        shares = {"train": 1.0, "val": self.val, "test": test}
        _refuse_empty(samples, parts, [split for split, share in shares.items() if share > 0], self.split == "by_class")
        if groups is not None:
            _warn_of_shared(groups, parts)
        if self.fraction < 1:
            parts["train"] = draw_nested_share(parts["train"], samples.strata, self.fraction, self.seed)
        return parts

    def _choose_whole(self, samples: Samples, given: SampleNames) -> dict[str, SplitIndices] | None:
        """The split that is measured alone; null where the data are divided as in training."""
        if self.whole is None or hash_names(samples.names) == self.trained:
            return None
        if self.whole == ALL_SPLITS:
            return {split: np.flatnonzero((given != _OUT) & (split == "test")) for split in SPLITS}
        chosen = given == (self.whole if np.isin(given, SPLITS).any() else "")
        return {split: np.flatnonzero(chosen & (split == self.whole)) for split in SPLITS} if chosen.any() else None

    def _test_share(self, given: SampleNames) -> float:
        """The share to draw: none of a data set that is divided in train and val, unless one is asked for."""
        if self.test is not None:
            return self.test
        return 0.0 if np.isin(("train", "val"), given).all() else DRAWN

    def find_missing(self, given: SampleNames) -> dict[str, float]:
        """The share of each split that is to be drawn, in the order of drawing."""
        shares = {"test": self._test_share(given), "val": self.val}
        return {split: share for split, share in shares.items() if share > 0 and not (given == split).any()}

    def _read_given(self, samples: Samples) -> SampleNames:
        """(n,) the given split of each sample, "" where it is to be drawn."""
        if self.split == "random" or self.folds:
            return np.full(len(samples), "", dtype="<U5")
        if self.split == "by_class":
            test = DRAWN if self.test is None else self.test
            return split_classes(samples, self.val, test, self.seed).astype("<U5")
        if self.split == "published":
            return samples.published.astype("<U5")
        cells = read_column("data.split", self.split, "split", samples.names, self.root)
        words = parse_split_cells(cells, f"data.split={self.split}")
        lacking = words.count("")
        if lacking:
            log.warning("data.split=%s lacks %d of %d images: they are left out", self.split, lacking, len(words))
        return np.array([word or _OUT for word in words], dtype="<U5")

    def number_groups(self, samples: Samples) -> SplitIndices | None:
        """(n,) the group of each sample, to divide splits further; null where there are no groups."""
        if self.groups is None:
            return None
        if self.groups == NEAR_DUPLICATES:
            return number_near_duplicates(samples)
        if is_table(self.groups):
            cells = read_column("data.groups", self.groups, "group", samples.names, self.root)
            words = [None if cell is None else str(cell) for cell in cells]
        else:
            words = _match_names(self.groups, samples)
        lacking = words.count(None)
        if lacking:
            log.warning("%d of %d images are in no group of data.groups: each is its own", lacking, len(words))
        named = [f"/{index}" if word is None else f"={word}" for index, word in enumerate(words)]
        numbers: SplitIndices = np.unique(named, return_inverse=True)[1].reshape(-1)
        return numbers


def hash_names(names: Sequence[str]) -> str:
    """Digits that tell a data set by the names of its images."""
    return hash_contents(*names).hex()


def _return_only_images(
    chosen: SampleNames, pool: SplitIndices, samples: Samples, groups: SplitIndices | None, split: str
) -> None:
    """Gives classes that a drawn split has left without a training image one of their images back, with its group."""
    target = samples.labels.find(LabelTarget)
    if target is None or target.multilabel:
        return
    drawn = pool[chosen[pool] == split]
    taught = set(samples.strata[chosen == "train"].tolist())
    for stratum in sorted(set(samples.strata[drawn].tolist()) - taught - {-1}):
        back = drawn == drawn[samples.strata[drawn] == stratum][0]
        if groups is not None:
            back = groups[drawn] == groups[drawn[back]]
        if not back.all():
            chosen[drawn[back]] = "train"
            drawn = drawn[~back]
            log.info("class %r has few images: one that was drawn for %s is in train", target.classes[stratum], split)


def _match_names(pattern: str, samples: Samples) -> list[str | None]:
    """What the first group of a regular expression finds in each name; the whole match where it has no group."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise CandelabraError(
            f"data.groups={pattern} is no regular expression ({error}), no table and not {NEAR_DUPLICATES}."
        ) from error
    found = [expression.search(name) for name in samples.names]
    if not any(found):
        raise CandelabraError(
            f"data.groups={pattern} matches no name, such as {samples.names[0]}; "
            f"{NEAR_DUPLICATES} groups images that show the same."
        )
    return [match[1 if expression.groups else 0] if match else None for match in found]


def _warn_of_shared(groups: SplitIndices, parts: Mapping[str, SplitIndices]) -> None:
    sets = [set(groups[indices].tolist()) for indices in parts.values()]
    shared = len(sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2])
    if shared:
        log.warning("%d groups of data.groups are in several given splits; data.split=random divides anew", shared)


def _refuse_empty(samples: Samples, parts: Mapping[str, SplitIndices], wanted: Collection[str], disjoint: bool) -> None:
    for split, indices in parts.items():
        if not len(indices) and split in wanted:
            raise CandelabraError(
                f"There is no image in the {split} split ({len(samples)} images in all); give more images, or other "
                "shares with data.val and data.test."
            )
    target = samples.labels.find(LabelTarget)
    if target is None or target.multilabel or disjoint:
        return
    for split, indices in parts.items():
        if not len(indices):
            continue
        there = set(samples.strata[indices].tolist())
        lacking = [name for index, name in enumerate(target.classes) if index not in there]
        if lacking and split == "train":
            number = (samples.strata == target.classes.index(lacking[0])).sum()
            raise CandelabraError(
                f"Class {lacking[0]!r} has no image in the train split ({number} in all); "
                "give it more images, drop it, or set other shares with data.val and data.test."
            )
        if lacking:
            log.warning("%d classes have no image in the %s split: %s", len(lacking), split, ", ".join(lacking[:5]))
