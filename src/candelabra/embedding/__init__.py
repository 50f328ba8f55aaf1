"""Images as vectors: embedded once, kept as an index, or as one step of a scikit-learn pipeline."""

from candelabra.embedding.encoder import Encoder
from candelabra.embedding.index import Index

__all__ = ["Encoder", "Index"]
