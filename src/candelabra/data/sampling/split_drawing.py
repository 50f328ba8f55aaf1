"""Draws shares of samples by stratum and group."""

import warnings

import numpy as np
from numpy.typing import NDArray

from candelabra.errors import CandelabraError

_MANY = 1000  # images that are a group of one each; scikit-learn takes about a millisecond for a group
_PIECES = 20  # into which groups are dealt; a split takes the number of pieces nearest to its share
SplitIndices = NDArray[np.int64]


def deal_groups(
    pool: SplitIndices, strata: SplitIndices, groups: SplitIndices | None, count: int, seed: int
) -> SplitIndices:
    """Deals samples into so many equal parts that strata are spread over them and no group is in two.

    Args:
        pool: indices of the samples.
        strata: of all samples.
        groups: of all samples; null for none.
        count: of the parts.
        seed: equal seeds deal alike.

    Returns:
        (len(pool),) the part of each, from 0.
    """
    parts = np.empty(len(pool), dtype=np.int64)
    if groups is None:
        order = np.lexsort((np.random.default_rng(seed).random(len(pool)), strata[pool]))
        parts[order] = np.arange(len(pool)) % count
        return parts
    _, number, sizes = np.unique(groups[pool], return_inverse=True, return_counts=True)
    if len(sizes) < count:
        raise CandelabraError(
            f"data.groups finds {len(sizes)} groups among {len(pool)} images, too few for {count} parts."
        )
    alone = sizes[number] == 1
    alone[np.flatnonzero(alone)[:count]] = False  # so that the others are groups enough
    if alone.sum() > _MANY:
        parts[alone] = deal_groups(pool[alone], strata, None, count, seed)
        parts[~alone] = deal_groups(pool[~alone], strata, groups, count, seed)
        return parts
    from sklearn.model_selection import StratifiedGroupKFold

    many = np.bincount(strata[pool] - strata.min()).max() >= count
    wanted = strata[pool] if many else np.zeros_like(pool)  # classes all smaller than the parts are many
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for part, (_, held) in enumerate(splitter.split(pool, wanted, groups[pool])):
            parts[held] = part
    return parts


def draw_split(pool: SplitIndices, strata: SplitIndices, share: float, rng: np.random.Generator) -> SplitIndices:
    """Draws a share of the pool so that each stratum gives its share, as near as whole numbers allow."""
    order = np.lexsort((rng.random(len(pool)), strata))
    marks = np.floor(np.arange(len(pool) + 1) * share + rng.random())  # systematic sampling
    drawn: SplitIndices = pool[order[np.diff(marks) > 0]]
    return drawn


def draw_nested_share(pool: SplitIndices, strata: SplitIndices, share: float, seed: int) -> SplitIndices:
    """Draws a share of the pool by stratum, at least one of each; a larger share has all of a smaller one.

    Args:
        pool: indices of the samples.
        strata: of all samples.
        share: above 0, at most 1.
        seed: equal seeds draw alike.

    >>> draw_nested_share(np.arange(8), np.array([0] * 4 + [1] * 4), 0.5, seed=0).tolist()
    [2, 3, 6, 7]
    """
    luck = np.random.default_rng(seed).random(len(pool))
    order = np.lexsort((luck, strata[pool]))
    _, starts, sizes = np.unique(strata[pool][order], return_index=True, return_counts=True)
    rank = np.arange(len(pool)) - np.repeat(starts, sizes)
    place = (rank + 0.5) / np.repeat(sizes, sizes)  # in its stratum, 0 to 1
    first = np.lexsort((luck[order], place))[: max(1, round(share * len(pool)))]
    chosen = rank == 0
    chosen[first] = True
    return np.sort(pool[order[chosen]])


def draw_grouped_split(
    pool: SplitIndices, strata: SplitIndices, groups: SplitIndices | None, share: float, rng: np.random.Generator
) -> SplitIndices:
    """Draws a share of the pool by stratum, whole groups at a time where there are any.

    Raises:
        CandelabraError: all are one group.
    """
    if groups is None:
        return draw_split(pool, strata[pool], share, rng)
    pieces = min(_PIECES, len(np.unique(groups[pool])))
    if pieces < 2:
        raise CandelabraError(f"data.groups finds one group among {len(pool)} images, which cannot be divided.")
    dealt = deal_groups(pool, strata, groups, pieces, int(rng.integers(2**31)))
    sizes = np.cumsum(np.bincount(dealt, minlength=pieces))[:-1]
    sizes[sizes == 0] = -len(pool)  # none of them would be no split
    found: SplitIndices = pool[dealt <= np.abs(sizes - share * len(pool)).argmin()]
    return found
