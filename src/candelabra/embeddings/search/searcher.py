"""The abstract search for nearest vectors."""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.errors import CandelabraError

DistanceMetric = Literal["cosine", "euclidean"]
_METRICS = ("cosine", "euclidean")


class Neighbors(NamedTuple):
    """The nearest vectors of queries, nearest first.

    Args:
        scores: (Q, k) float32; cosine in [-1, 1], or the Euclidean distance.
        rows: (Q, k) int64, row numbers of the vectors.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]


def check_metric(metric: str) -> None:
    """Check the name of a metric.

    Raises:
        CandelabraError: it is unknown.
    """
    if metric not in _METRICS:
        raise CandelabraError(f"search.metric={metric} is not known; allowed are {', '.join(_METRICS)}.")


class Search(ABC):
    """Abstract nearest-neighbour search over fixed vectors.

    Args:
        vectors: (n, D) float32.
        metric: cosine (larger is nearer) or euclidean (smaller is nearer).

    Raises:
        CandelabraError: the metric is unknown.
    """

    def __init__(self, vectors: Vectors, metric: DistanceMetric = "cosine") -> None:
        check_metric(metric)
        self.count, self.metric = len(vectors), metric

    def nearest(self, queries: Vectors, k: int) -> Neighbors:
        """Find the k nearest vectors of each query; all vectors if there are fewer than k.

        Args:
            queries: (Q, D) float32.
            k: at least 1.

        Raises:
            CandelabraError: k is less than 1.
        """
        if k < 1:
            raise CandelabraError(f"k={k} is too small; give at least 1.")
        return self._nearest(self.ready(queries), min(k, self.count))

    def ready(self, vectors: Vectors) -> Vectors:
        """Return a contiguous float32 copy; normalised to unit length if the metric is cosine."""
        made = np.array(vectors, dtype=np.float32, order="C")
        if self.metric == "cosine":
            made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return made

    @abstractmethod
    def _nearest(self, queries: Vectors, k: int) -> Neighbors: ...
