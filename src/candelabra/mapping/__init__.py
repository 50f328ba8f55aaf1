"""Embedded images in the plane, and their clusters."""

from candelabra.mapping.plane import Pca, Plane, Tsne, Umap

__all__ = ["Pca", "Plane", "Tsne", "Umap"]
