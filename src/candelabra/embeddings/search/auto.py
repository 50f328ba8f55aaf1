"""The search that suits a number of vectors and what is installed."""

from importlib.util import find_spec

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.exact import Exact
from candelabra.embeddings.search.faiss import Faiss
from candelabra.embeddings.search.searcher import Metric, Searcher

FEW = 20_000  # vectors, among which comparing with each takes milliseconds
CANDIDATES = 10  # times k: on every set that was measured the nearest ten were the nearest ten


def fastest(vectors: Vectors, metric: Metric = "cosine") -> Searcher:
    """Exact among few vectors or without faiss; else faiss in bytes, the best looked at again in float32.

    Args: see `Searcher`.
    """
    if len(vectors) <= FEW or find_spec("faiss") is None:
        return Exact(vectors, metric)
    return Faiss(vectors, metric, CANDIDATES)
