"""What a data module serves, once its data sets are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue
from candelabra.data.samples import ALL_SPLITS, Samples
from candelabra.data.sampling.mixture import MixtureShare
from candelabra.data.sampling.train_order import SampleOrder, SequentialOrder
from candelabra.data.transforms.pipeline import SampleTransforms
from candelabra.errors import CandelabraError


@dataclass(frozen=True)
class LoadingPlan:
    """What is served, from where, and in which order.

    Args:
        samples: of all data sets.
        parts: indices of the samples of each split.
        transforms: of the samples of each split.
        runs: how many samples of each split each data set has, one set after another.
        orders: in which the samples of each split are served.
        shares: what each data set gives to an epoch of training; one with all of it where there is one set.
        issues: what was odd, and what was done about it.
    """

    samples: Samples
    parts: Mapping[str, NDArray[np.int64]]
    transforms: Mapping[str, SampleTransforms]
    runs: Mapping[str, Sequence[int]]
    orders: Mapping[str, SampleOrder]
    shares: Sequence[MixtureShare]
    issues: Sequence[DataIssue]

    def with_train_transforms(self, transforms: SampleTransforms) -> Self:
        """The same with other transforms of training samples."""
        return replace(self, transforms={**self.transforms, "train": transforms})

    def without_augmentation(self) -> Self:
        """The same with training samples served as those of the test split: each once, in the order of the data."""
        orders = {**self.orders, "train": SequentialOrder(self.runs["train"])}
        return replace(self.with_train_transforms(self.transforms["test"]), orders=orders)

    def join_splits(self) -> Self:
        """The same with a further split, `ALL_SPLITS`: the samples of all splits, in the order of the data."""
        counts = [sum(each) for each in zip(*self.runs.values(), strict=True)]
        return replace(
            self,
            parts={**self.parts, ALL_SPLITS: np.sort(np.concatenate(list(self.parts.values())))},
            transforms={**self.transforms, ALL_SPLITS: self.transforms["test"]},
            runs={**self.runs, ALL_SPLITS: counts},
            orders={**self.orders, ALL_SPLITS: SequentialOrder(counts)},
        )

    def require_images(self, split: str, option: str = "split") -> None:
        """Checks that a split that is to be measured has images.

        Args:
            split: train, val, test or `ALL_SPLITS`.
            option: by which it was chosen.

        Raises:
            CandelabraError: it has none; the message names a split that has some.
        """
        if len(self.parts[split]):
            return
        counts = {name: len(self.parts[name]) for name in ("test", "val", "train")}
        others = [f"{option}={name} has {count}" for name, count in counts.items() if count]
        raise CandelabraError(
            f"{option}={split} has no image in these data; {' and '.join(others) or 'nor has any split'}. Choose one, "
            "or give other data with data.root=<folder>."
        )

    def spread_positions(self, split: str, count: int) -> list[int]:
        """Positions of so many samples of a split, equally many of each data set and spread over it."""
        runs = self.runs[split]
        positions: list[int] = []
        for number, length in enumerate(runs):
            wanted = count // len(runs) + (number < count % len(runs))
            spread = np.linspace(0, length - 1, min(wanted, length)).astype(int)
            positions += [sum(runs[:number]) + int(position) for position in spread]
        return positions
