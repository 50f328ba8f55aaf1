"""What a head predicts that learns vectors from labels; no data set labels it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from candelabra.data.targets.target import Target
from candelabra.types import UNLABELLED, Size


@dataclass(frozen=True)
class EmbeddingTarget(Target):
    """A vector (D,) float32 of length 1, near those of images that are alike; labels are classes () int64.

    It has no name of its own: `rename` gives it that of the target which the head learns from.

    Args:
        dimensions: D.
    """

    dimensions: int = 1

    def missing(self, size: Size) -> Tensor:
        return torch.tensor(UNLABELLED)

    def is_labelled(self, values: Tensor) -> Tensor:
        return values >= 0

    def prediction_header(self) -> list[str]:
        return [f"embedding_{number}" for number in range(self.dimensions)]

    def prediction_row(self, value: Tensor) -> list[str]:
        return [f"{number:.6f}" for number in value.tolist()]

    def to_json_result(self, value: Tensor) -> Sequence[Any]:
        return [round(number, 6) for number in value.tolist()]

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        return cls(), torch.tensor(int(rng.integers(3)))
