"""Similarity search: exact, or with faiss where it is installed, and its retrieval scores."""

from candelabra.embeddings.search.auto import choose_search
from candelabra.embeddings.search.exact import ExactSearch
from candelabra.embeddings.search.faiss import FaissSearch
from candelabra.embeddings.search.retrieval import RetrievalScores, score_retrieval
from candelabra.embeddings.search.searcher import Neighbors, Search

__all__ = ["ExactSearch", "FaissSearch", "Neighbors", "RetrievalScores", "Search", "choose_search", "score_retrieval"]
