"""Projections of embedded images to the plane, and their clusters."""

from candelabra.embeddings.projection.projection import Pca, Projection, Tsne, Umap

__all__ = ["Pca", "Projection", "Tsne", "Umap"]
