"""Image embeddings: stored as an index, or computed as a step of a scikit-learn pipeline."""

from candelabra.embeddings.encoder import Encoder
from candelabra.embeddings.index import VectorIndex

__all__ = ["Encoder", "VectorIndex"]
