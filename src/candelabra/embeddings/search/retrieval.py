"""Evaluate retrieval of images with equal labels: recall at k and mean average precision."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.searcher import DistanceMetric, check_metric
from candelabra.errors import CandelabraError

_BLOCK = 256  # queries per block


class RetrievalScores(NamedTuple):
    """Scores over the queries with at least one relevant image.

    Args:
        recall: recall by k: fraction of queries with a relevant image among the k nearest, in [0, 1].
        mean_average_precision: over the whole ranking, in [0, 1].
        chance: recall at 1 of a random ranking.
        queries: number of evaluated queries.
        lonely: number of skipped queries, as no other image has their label.
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
    metric: DistanceMetric = "cosine",
) -> RetrievalScores:
    """Rank the gallery by nearness to each query and compute the scores; a query does not find itself.

    Args:
        vectors: (n, D) of all images.
        labels: (n,) strings; images with "" are left out.
        queries: row numbers of the queries.
        gallery: row numbers of the gallery.
        ks: values of k for recall.
        metric: cosine or euclidean, of `Search`.

    Raises:
        CandelabraError: no query has a relevant image, or the metric is unknown.
    """
    check_metric(metric)
    queries, gallery = (rows[labels[rows] != ""] for rows in (queries, gallery))
    kinds = np.unique(labels, return_inverse=True)[1].reshape(-1)
    cosine = metric == "cosine"
    looked = _unit(vectors[gallery]) if cosine else vectors[gallery].astype(np.float64)  # see `ExactSearch`
    squares = 0.0 if cosine else np.square(looked).sum(1)
    hits, precisions, shares = [np.empty((0, len(ks)), bool)], [np.empty(0)], [np.empty(0)]
    lonely = 0
    for start in range(0, len(queries), _BLOCK):
        rows = queries[start : start + _BLOCK]
        asking = _unit(vectors[rows]) if cosine else vectors[rows]
        # of distances, the negative square without that of the query, which changes no order
        scores = asking @ looked.T if cosine else 2 * (asking @ looked.T) - squares
        same = rows[:, None] == gallery
        scores[same] = -np.inf  # ranks the query itself last
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
    """Compute average precision (Q,) from relevance (Q, n) in order of rank."""
    ranks = np.arange(1, found.shape[1] + 1)
    precision = found.cumsum(1) / ranks
    values: NDArray[np.float64] = (precision * found).sum(1) / found.sum(1)
    return values


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return unit
