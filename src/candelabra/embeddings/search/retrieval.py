"""How well images of one label find each other: recall among the nearest k, and mean average precision."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.errors import CandelabraError

_BLOCK = 256  # queries at once


class RetrievalScores(NamedTuple):
    """Measured over queries that have something to find.

    Args:
        recall: by k, the share of queries with an image of their label among the k nearest, 0 to 1.
        mean_average_precision: over the whole ranking, 0 to 1.
        chance: the recall among one that drawing at random would have.
        queries: how many were asked.
        lonely: how many were not, as no other image has their label.
    """

    recall: dict[int, float]
    mean_average_precision: float
    chance: float
    queries: int
    lonely: int


def score_retrieval(
    vectors: Vectors,
    labels: NDArray[np.object_],
    queries: NDArray[np.int64],
    gallery: NDArray[np.int64],
    ks: Sequence[int] = (1, 5, 10),
) -> RetrievalScores:
    """Ranks the gallery by cosine for each query; a query that is in the gallery itself does not find itself.

    Args:
        vectors: (n, D) of all images.
        labels: (n,) words; images of "" are left out.
        queries: rows of vectors.
        gallery: likewise.
        ks: for recall.

    Raises:
        CandelabraError: no query has anything to find.
    """
    queries, gallery = (rows[labels[rows] != ""] for rows in (queries, gallery))
    kinds = np.unique(labels, return_inverse=True)[1].reshape(-1)
    unit = _unit(vectors[gallery])
    hits, precisions, shares = [np.empty((0, len(ks)), bool)], [np.empty(0)], [np.empty(0)]
    lonely = 0
    for start in range(0, len(queries), _BLOCK):
        rows = queries[start : start + _BLOCK]
        scores = _unit(vectors[rows]) @ unit.T
        same = rows[:, None] == gallery
        scores[same] = -np.inf  # last
        order = np.argsort(-scores, axis=1, kind="stable")
        relevant = (kinds[rows][:, None] == kinds[gallery]) & ~same
        asked = relevant.any(1)
        lonely += int((~asked).sum())
        found = np.take_along_axis(relevant, order, 1)[asked]
        hits.append(np.stack([found[:, :k].any(1) for k in ks], 1))
        precisions.append(_average_precision(found))
        shares.append(found.sum(1) / np.maximum(1, (~same).sum(1)[asked]))
    recalled = np.concatenate(hits)
    if not len(recalled):
        raise CandelabraError("No image has another of its label to be found; see evaluate and label.")
    recall = {k: float(share) for k, share in zip(ks, recalled.mean(0), strict=True)}
    mean, chance = (float(np.concatenate(each).mean()) for each in (precisions, shares))
    return RetrievalScores(recall, mean, chance, len(recalled), lonely)


def _average_precision(found: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(Q, n) relevant, in order of rank -> (Q,) the mean of the precision at each relevant one."""
    ranks = np.arange(1, found.shape[1] + 1)
    precision = found.cumsum(1) / ranks
    values: NDArray[np.float64] = (precision * found).sum(1) / found.sum(1)
    return values


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return unit
