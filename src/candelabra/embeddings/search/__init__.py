"""Images that look alike: exact search, faiss where it is installed, and how well it finds what it should."""

from candelabra.embeddings.search.auto import fastest
from candelabra.embeddings.search.exact import Exact
from candelabra.embeddings.search.faiss import Faiss
from candelabra.embeddings.search.retrieval import Retrieval, retrieval
from candelabra.embeddings.search.searcher import Found, Searcher

__all__ = ["Exact", "Faiss", "Found", "Retrieval", "Searcher", "fastest", "retrieval"]
