"""Samples that are made as they are asked for, not read from files."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.targets import Labels


class GeneratedSamples(Samples):
    """Samples on a square canvas, all labelled; a subclass makes each of them of the seed and its index alone.

    Args:
        labels: what is labelled.
        strata: (n,) int64, see `Samples`.
        canvas: side of the canvas, in pixels.
        seed: equal seeds give equal samples.
    """

    def __init__(self, labels: Labels, strata: NDArray[np.int64], canvas: int, seed: int) -> None:
        self.labels, self.strata = labels, strata
        self.names = [str(number) for number in range(len(strata))]
        self.published = np.full(len(strata), "", dtype="<U5")
        self.canvas, self.seed = canvas, seed

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {name: np.ones(len(self), dtype=bool) for name in self.labels}

    def digest(self, index: int) -> bytes:
        return hash_contents(*self[index].values())  # the sample itself: the code that makes it may change
