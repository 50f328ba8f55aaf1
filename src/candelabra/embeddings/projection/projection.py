"""Projections of vectors to the plane that keep neighbours together."""

import warnings
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.environment import require_package
from candelabra.errors import CandelabraError

ProjectedPoints = NDArray[np.float32]
_BEFORE = 50  # principal components that t-SNE looks at, as its authors did


class Projection(ABC):
    """Base class of projections."""

    @abstractmethod
    def points(self, vectors: Vectors, seed: int) -> ProjectedPoints:
        """(n, D), of which n is at least 3 -> (n, 2)."""


class Pca(Projection):
    """The two directions of largest variance (Pearson 1901); no distance grows."""

    def points(self, vectors: Vectors, seed: int) -> ProjectedPoints:
        return reduce_dimensions(vectors, 2, seed)


class Tsne(Projection):
    """Keeps neighbours near each other (van der Maaten and Hinton 2008); distances between clusters mean nothing.

    Args:
        perplexity: effective number of neighbours; at most a third of the images.

    Raises:
        CandelabraError: it is not above 0.
    """

    def __init__(self, perplexity: float = 30.0) -> None:
        if perplexity <= 0:
            raise CandelabraError(f"projection.perplexity={perplexity} must be above 0.")
        self.perplexity = perplexity

    def points(self, vectors: Vectors, seed: int) -> ProjectedPoints:
        from sklearn.manifold import TSNE

        few = reduce_dimensions(vectors, _BEFORE, seed)
        fitting = min(self.perplexity, (len(vectors) - 1) / 3)
        made: ProjectedPoints = TSNE(2, perplexity=fitting, init="pca", random_state=seed).fit_transform(few)
        return made


class Umap(Projection):
    """Keeps neighbours near each other, and more of the global structure than t-SNE (McInnes et al. 2018).

    Args:
        neighbours: of each image that are kept near.
        distance: the least between points that are drawn, from 0 (packed) to 1.

    Raises:
        CandelabraError: umap-learn is not installed, or there are fewer than two neighbours.
    """

    def __init__(self, neighbours: int = 15, distance: float = 0.1) -> None:
        if neighbours < 2:
            raise CandelabraError(f"projection.neighbours={neighbours} must be at least 2.")
        if not 0 <= distance <= 1:
            raise CandelabraError(f"projection.distance={distance} must be from 0 to 1.")
        require_package("umap", "projection=umap", "take projection=tsne")
        self.neighbours, self.distance = neighbours, distance

    def points(self, vectors: Vectors, seed: int) -> ProjectedPoints:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # a part of it that is not used here needs TensorFlow
            import umap
        few = reduce_dimensions(vectors, _BEFORE, seed)
        fitting = min(self.neighbours, len(vectors) - 1)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_jobs value")  # a seed leaves it one process
            made = umap.UMAP(fitting, min_dist=self.distance, random_state=seed).fit_transform(few)
        points: ProjectedPoints = np.asarray(made, dtype=np.float32)
        return points


def reduce_dimensions(vectors: Vectors, most: int, seed: int) -> Vectors:
    """Principal components, at least two columns of them."""
    from sklearn.decomposition import PCA

    count = min(most, *vectors.shape)
    made: Vectors = PCA(count, random_state=seed).fit_transform(vectors)
    return made if count >= 2 else np.pad(made, ((0, 0), (0, 2 - count)))
