"""Images as vectors: embedded once, kept as an index, or as one step of a scikit-learn pipeline."""

from candelabra.embeddings.encoder import Encoder
from candelabra.embeddings.index import VectorIndex

__all__ = ["Encoder", "VectorIndex"]
