"""Search with faiss (Douze et al. 2024)."""

from typing import Any

import numpy as np

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.searcher import DistanceMetric, Neighbors, Search
from candelabra.environment import require_package
from candelabra.errors import CandelabraError


class FaissSearch(Search):
    """Search in 8-bit codes and re-rank the best candidates in float32.

    Args:
        vectors, metric: see `Search`.
        candidates: number of re-ranked vectors as a multiple of k; null searches all vectors in float32, which is
            exact and reads four times the memory.

    Raises:
        CandelabraError: faiss is not installed.
    """

    def __init__(self, vectors: Vectors, metric: DistanceMetric = "cosine", candidates: int | None = None) -> None:
        super().__init__(vectors, metric)
        if candidates is not None and candidates < 1:
            raise CandelabraError(f"search.candidates={candidates} is too small; give at least 1, or null.")
        faiss = import_faiss()
        # faiss computes |q|^2 + |v|^2 - 2 q.v in float32, too coarse for vectors with a large common offset
        self.center = vectors.mean(0, dtype=np.float64).astype(np.float32) if metric == "euclidean" else np.float32(0)
        ready = self.ready(vectors) - self.center
        kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
        if candidates is None:
            self.index: Any = faiss.IndexFlat(ready.shape[1], kind)
        else:
            self.codes: Any = faiss.IndexScalarQuantizer(ready.shape[1], faiss.ScalarQuantizer.QT_8bit, kind)
            self.codes.train(ready)
            self.index = faiss.IndexRefineFlat(self.codes)
            self.index.k_factor = float(candidates)
        self.index.add(ready)

    def _nearest(self, queries: Vectors, k: int) -> Neighbors:
        scores, rows = self.index.search(queries - self.center, k)
        if self.metric == "euclidean":
            scores = np.sqrt(np.maximum(scores, 0))
        return Neighbors(scores, rows)


def import_faiss() -> Any:
    """Import faiss.

    Raises:
        CandelabraError: faiss is not installed.
    """
    require_package("faiss", "search=faiss", "use search=exact")
    import faiss

    return faiss
