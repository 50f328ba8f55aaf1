"""Embedded images in the plane, and their clusters."""

from candelabra.embeddings.projection.projection import Pca, Plane, Tsne, Umap

__all__ = ["Pca", "Plane", "Tsne", "Umap"]
