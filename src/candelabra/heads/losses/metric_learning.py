"""Losses of metric learning, of pytorch-metric-learning: vectors of one class near each other, of two classes apart.

Each takes the number of classes and of dimensions, then its own parameters, and maps vectors (n, D) and their classes
(n,) to one number. The library is imported only where one is built.
"""

from typing import cast

import torch
from torch import Tensor, nn

from candelabra.environment import require_package

_PACKAGE = "pytorch_metric_learning"


class MultiSimilarity(nn.Module):
    """Multi-similarity loss (Wang et al. 2019) of the pairs that its miner finds hard, or of all where it finds none.

    Args:
        classes, dimensions: of the vectors; this loss has no weights, and does not need them.
        alpha, beta: how much the hardest positive and negative pairs count above the others.
        base: the similarity that pairs are pushed away from.
        epsilon: the miner keeps pairs that are harder than the hardest of the other kind less this margin.
    """

    def __init__(
        self,
        classes: int,
        dimensions: int,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float = 0.1,
    ) -> None:
        super().__init__()
        require_package(_PACKAGE, "loss=multi_similarity")
        from pytorch_metric_learning.losses import MultiSimilarityLoss
        from pytorch_metric_learning.miners import MultiSimilarityMiner

        self.compute, self.miner = MultiSimilarityLoss(alpha, beta, base), MultiSimilarityMiner(epsilon)

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        pairs = self.miner(vectors, classes)
        return cast(Tensor, self.compute(vectors, classes, pairs if any(map(len, pairs)) else None))


class SupCon(nn.Module):
    """Supervised contrastive loss (Khosla et al. 2020); 0 where all are of one class, or none of the same.

    Args:
        classes, dimensions: see `MultiSimilarity`.
        temperature: by which similarities are divided.
    """

    def __init__(self, classes: int, dimensions: int, temperature: float = 0.1) -> None:
        super().__init__()
        require_package(_PACKAGE, "loss=supcon")
        from pytorch_metric_learning.losses import SupConLoss

        self.compute = SupConLoss(temperature)

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        return cast(Tensor, self.compute(vectors, classes))


class ArcFace(nn.Module):
    """Additive angular margin softmax (Deng et al. 2019): each class has a direction, which is learned.

    Args:
        classes, dimensions: of the vectors; a class without a training image is one that all are pushed away from.
        margin: in degrees, by which the angle to the own class is made larger.
        scale: of the cosines.
    """

    def __init__(self, classes: int, dimensions: int, margin: float = 28.6, scale: float = 64.0) -> None:
        super().__init__()
        require_package(_PACKAGE, "loss=arcface")
        from pytorch_metric_learning.losses import ArcFaceLoss

        self.compute = ArcFaceLoss(classes, dimensions, margin=margin, scale=scale)

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):  # its weights would become those of the autocast
            return cast(Tensor, self.compute(vectors, classes))


class ProxyAnchor(nn.Module):
    """Proxy-Anchor loss (Kim et al. 2020): each class has a proxy, which is learned.

    Args:
        classes, dimensions: see `ArcFace`.
        margin: of the cosine similarity.
        alpha: factor of similarities; larger ones look at the hardest alone.
    """

    def __init__(self, classes: int, dimensions: int, margin: float = 0.1, alpha: float = 32.0) -> None:
        super().__init__()
        require_package(_PACKAGE, "loss=proxy_anchor")
        from pytorch_metric_learning.losses import ProxyAnchorLoss

        self.compute = ProxyAnchorLoss(classes, dimensions, margin=margin, alpha=alpha)

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            return cast(Tensor, self.compute(vectors, classes))
