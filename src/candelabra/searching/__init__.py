"""Images that look alike: exact search, faiss where it is installed, and how well it finds what it should."""

from candelabra.searching.exact import Exact
from candelabra.searching.faiss import Faiss
from candelabra.searching.fastest import fastest
from candelabra.searching.measures import Retrieval, retrieval
from candelabra.searching.searcher import Found, Searcher

__all__ = ["Exact", "Faiss", "Found", "Retrieval", "Searcher", "fastest", "retrieval"]
