"""Search by faiss (Douze et al. 2024), whose flat index is exact too."""

from typing import Any

import numpy as np

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.searcher import DistanceMetric, Neighbors, Search
from candelabra.errors import CandelabraError


class FaissSearch(Search):
    """A first look at vectors of a byte a number, then the best of them again in float32.

    Args:
        vectors, metric: see `Search`.
        candidates: how many times k vectors are looked at again; null compares all in float32, which is exact by
            construction and reads four times the memory.

    Raises:
        CandelabraError: faiss is not installed.
    """

    def __init__(self, vectors: Vectors, metric: DistanceMetric = "cosine", candidates: int | None = None) -> None:
        super().__init__(vectors, metric)
        if candidates is not None and candidates < 1:
            raise CandelabraError(f"search.candidates={candidates} must be at least 1, or null.")
        faiss = import_faiss()
        ready = self.ready(vectors)
        kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
        if candidates is None:
            self.index: Any = faiss.IndexFlat(ready.shape[1], kind)
        else:
            self.rough: Any = faiss.IndexScalarQuantizer(ready.shape[1], faiss.ScalarQuantizer.QT_8bit, kind)
            self.rough.train(ready)
            self.index = faiss.IndexRefineFlat(self.rough)
            self.index.k_factor = float(candidates)
        self.index.add(ready)

    def _nearest(self, queries: Vectors, k: int) -> Neighbors:
        scores, rows = self.index.search(queries, k)
        if self.metric == "euclidean":
            scores = np.sqrt(np.maximum(scores, 0))
        return Neighbors(scores, rows)


def import_faiss() -> Any:
    """The library.

    Raises:
        CandelabraError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise CandelabraError(
            "search=faiss needs the package faiss; install it with pip install 'candelabra[search]', or take "
            "search=exact."
        ) from error
    return faiss
