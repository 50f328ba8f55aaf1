"""Clusters of vectors, and how well they agree with labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.errors import CandelabraError

_SAMPLE = 5_000  # images that a silhouette looks at
_STARTS = 10


class Clusters(NamedTuple):
    """Clusters found by k-means.

    Args:
        assigned: (n,) the cluster of each image, from 0.
        scores: silhouette of the clusters, -1 to 1; where labels are known also that of the labels, and how clusters
            agree with them: normalised mutual information (0 to 1) and the adjusted Rand index (0 by chance, up to 1).
    """

    assigned: NDArray[np.int64]
    scores: dict[str, float]


def find_clusters(vectors: Vectors, count: int, labels: NDArray[np.object_] | None, seed: int) -> Clusters:
    """Groups vectors of unit length by k-means (Lloyd 1982), the best of ten starts.

    Args:
        vectors: (n, D).
        count: of clusters.
        labels: (n,) words, "" where not known; null for none.
        seed: of the starts.

    Raises:
        CandelabraError: there are not as many images as clusters, or fewer than two clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if not 2 <= count < len(vectors):
        raise CandelabraError(f"clusters={count} must be at least 2, and below the number of images, {len(vectors)}.")
    assigned = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(vectors).astype(np.int64)
    scores = {"silhouette of clusters": _silhouette(vectors, assigned, seed)}
    if labels is not None:
        known = labels != ""
        given = np.unique(labels[known], return_inverse=True)[1]
        scores["silhouette of labels"] = _silhouette(vectors[known], given, seed)
        scores["NMI"] = float(normalized_mutual_info_score(given, assigned[known]))
        scores["ARI"] = float(adjusted_rand_score(given, assigned[known]))
    return Clusters(assigned, scores)


def _silhouette(vectors: Vectors, groups: NDArray[np.int64], seed: int) -> float:
    """Not a number where there is one group, or each image is its own."""
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(groups)) < len(groups):
        return float("nan")
    drawn = np.random.default_rng(seed).permutation(len(groups))[:_SAMPLE]
    if not 2 <= len(np.unique(groups[drawn])) < len(drawn):
        return float("nan")
    return float(silhouette_score(vectors[drawn], groups[drawn]))
