"""Choose a search by the number of vectors and the installed libraries."""

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.exact import ExactSearch
from candelabra.embeddings.search.faiss import FaissSearch
from candelabra.embeddings.search.searcher import DistanceMetric, Search
from candelabra.environment import is_installed

_FEW = 20_000  # vectors up to which exact search takes milliseconds
_CANDIDATES = 10  # times k; on every measured data set, the ten nearest were then exact


def choose_search(vectors: Vectors, metric: DistanceMetric = "cosine") -> Search:
    """Make an exact search for few vectors or without faiss; else faiss on 8-bit codes, re-ranked in float32.

    faiss searches a flat index with one thread for a single query, which is slower than one matrix product in torch.

    Args: see `Search`.
    """
    if len(vectors) <= _FEW or not is_installed("faiss"):
        return ExactSearch(vectors, metric)
    return FaissSearch(vectors, metric, _CANDIDATES)
