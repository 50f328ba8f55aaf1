"""Samples whose images are one array in memory."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents, image_to_tensor, make_sample
from candelabra.data.targets import Labels, LabelTarget
from candelabra.types import Sample


class ArraySamples(Samples):
    """Classified images of one size.

    Args:
        pixels: (n, H, W, 3) uint8 RGB, or (n, H, W) grey.
        label: (n,) int64.
        classes: names by number.
        published: train, val, test or "" for each.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        label: NDArray[np.int64],
        classes: Sequence[str],
        published: NDArray[np.str_],
    ) -> None:
        self.pixels, self.strata, self.published = pixels, label, published
        self.labels = Labels(LabelTarget(tuple(classes)))
        self.names = [str(number) for number in range(len(label))]

    def digest(self, index: int) -> bytes:
        return hash_contents(self.pixels[index], self.strata[index])

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {name: np.ones(len(self), dtype=bool) for name in self.labels}

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        pixels = self.pixels[index]
        rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
        return make_sample(image_to_tensor(rgb), self.labels, {LabelTarget.name: torch.tensor(int(self.strata[index]))})
