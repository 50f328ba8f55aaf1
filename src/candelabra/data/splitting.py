"""How samples are divided into training, validation and test."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import SPLITS, Samples
from candelabra.errors import CandelabraError

OUT = "out"  # the split of a sample that is in none


def assign(
    samples: Samples, val: float, test: float, seed: int, published: bool, bad: Collection[int] = ()
) -> dict[str, NDArray[np.int64]]:
    """Divides samples into train, val and test: as published, and what is not published at random by stratum.

    Args:
        samples: to be divided.
        val: share of the images, where it is not published.
        test: likewise.
        seed: equal seeds give equal splits.
        published: keep to the published split where there is one.
        bad: indices of samples that cannot be used; they are in no split.

    Raises:
        CandelabraError: a split would be empty, or lack a class.
    """
    given = samples.published if published else np.full(len(samples), "", dtype="<U5")
    if val + test >= 1 or min(val, test) < 0:
        raise CandelabraError(f"data.val={val} and data.test={test} must be shares that leave something to train on.")
    given = given.copy()
    given[list(bad)] = OUT
    chosen = given.copy()
    if not (given == "train").any():
        chosen[given == ""] = "train"
    rng = np.random.default_rng(seed)
    for split, share in (("test", test), ("val", val)):
        if not (given == split).any() and share > 0:
            pool = np.flatnonzero(chosen == "train")
            share = share if split == "test" else share / (1 - (0 if (given == "test").any() else test))
            chosen[draw(pool, samples.strata[pool], share, rng)] = split
    parts = {split: np.flatnonzero(chosen == split) for split in SPLITS}
    _refuse_empty(samples, parts)
    return parts


def draw(
    pool: NDArray[np.int64], strata: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draws a share of the pool so that each stratum gives its share, as near as whole numbers allow."""
    order = np.lexsort((rng.random(len(pool)), strata))
    marks = np.floor(np.arange(len(pool) + 1) * share + rng.random())  # systematic sampling
    drawn: NDArray[np.int64] = pool[order[np.diff(marks) > 0]]
    return drawn


def _refuse_empty(samples: Samples, parts: Mapping[str, NDArray[np.int64]]) -> None:
    for split, indices in parts.items():
        if not len(indices):
            raise CandelabraError(
                f"There is no image in the {split} split ({len(samples)} images in all); give more images, or other "
                "shares with data.val and data.test."
            )
    if samples.labels.classes and not samples.labels.multilabel:
        known = samples.strata >= 0
        for index, name in enumerate(samples.labels.classes):
            for split, indices in parts.items():
                if not ((samples.strata[indices] == index) & known[indices]).any():
                    raise CandelabraError(
                        f"Class {name!r} has no image in the {split} split ({(samples.strata == index).sum()} in all); "
                        "give it more images, drop it, or set other shares with data.val and data.test."
                    )
