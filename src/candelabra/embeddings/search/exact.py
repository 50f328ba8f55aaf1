"""Exact search: compares queries with all vectors, block by block."""

import torch
from torch import Tensor

from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search.searcher import DistanceMetric, Neighbors, Search

ROW_BLOCK, QUERY_BLOCK = 16_384, 256  # rows and columns of a block: 16 MB of scores


class ExactSearch(Search):
    """Exact search with torch.

    Args: see `Search`.
    """

    def __init__(self, vectors: Vectors, metric: DistanceMetric = "cosine") -> None:
        super().__init__(vectors, metric)
        self.vectors = torch.from_numpy(self.ready(vectors))
        self.squares = torch.linalg.vector_norm(self.vectors, dim=1, dtype=torch.float64).square()

    def _nearest(self, queries: Vectors, k: int) -> Neighbors:
        parts = [self._block(part, k) for part in torch.from_numpy(queries).split(QUERY_BLOCK)]
        scores = torch.cat([part[0] for part in parts])
        rows = torch.cat([part[1] for part in parts])
        return Neighbors(scores.numpy(), rows.numpy())

    def _block(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Search a block of queries: the best k of all blocks of vectors are among the best k of each."""
        scores, rows = [], []
        for start in range(0, self.count, ROW_BLOCK):
            near = self._nearness(queries, slice(start, start + ROW_BLOCK))
            best = near.topk(min(k, near.shape[1]))
            scores.append(best.values)
            rows.append(best.indices + start)
        best = torch.cat(scores, 1).topk(k)
        found = torch.cat(rows, 1).gather(1, best.indices)
        return (best.values, found) if self.metric == "cosine" else self._measure(queries, found)

    def _nearness(self, queries: Tensor, block: slice) -> Tensor:
        """Return cosines, or negative squared distances without the squared length of the query; larger is nearer.

        Distances are small differences of large numbers where vectors have a common offset, too small for float32.
        """
        if self.metric == "cosine":
            return queries @ self.vectors[block].T
        nearness: Tensor = 2 * (queries.double() @ self.vectors[block].double().T) - self.squares[block]
        return nearness

    def _measure(self, queries: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Compute distances from differences, so that equal vectors have distance 0, and sort by them."""
        pairs = zip(queries, rows, strict=True)
        distances = torch.stack([torch.linalg.vector_norm(self.vectors[near] - query, dim=1) for query, near in pairs])
        ranked = distances.sort(stable=True)
        return ranked.values, rows.gather(1, ranked.indices)
