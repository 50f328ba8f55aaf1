"""CIFAR-10 (Krizhevsky 2009), as torchvision keeps it on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.datamodule import DataModule
from candelabra.data.download import fetch
from candelabra.data.samples import Samples, as_tensor, digest, sample
from candelabra.errors import CandelabraError
from candelabra.types import Labels, Sample


@dataclass(kw_only=True, eq=False)
class Cifar10(DataModule):
    """60,000 images of 32 x 32 pixels in 10 classes; 10,000 of them are the published test set.

    Args:
        root: the folder that holds `cifar-10-batches-py`.
        download: fetch the 170 MB where they are not there yet.
    """

    root: str
    download: bool = False

    def read(self) -> Samples:
        if not (Path(self.root) / "cifar-10-batches-py").is_dir():
            if not self.download:
                raise CandelabraError(
                    f"data.root={self.root} holds no cifar-10-batches-py; give the folder that does, or "
                    "data.download=true."
                )
            fetch("CIFAR10", self.root)
        return Arrays(self.root)


class Arrays(Samples):
    """Images that fit into memory."""

    def __init__(self, root: str) -> None:
        from torchvision.datasets import CIFAR10

        train, test = CIFAR10(root, train=True), CIFAR10(root, train=False)
        self.pixels = np.concatenate([train.data, test.data])
        self.strata = np.array([*train.targets, *test.targets], np.int64)
        self.labels = Labels(classes=tuple(train.classes))
        self.names = [str(number) for number in range(len(self.strata))]
        self.published = np.array(["train"] * len(train.data) + ["test"] * len(test.data))

    def digest(self, index: int) -> bytes:
        return digest(self.pixels[index], self.strata[index])

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {"label": np.ones(len(self), dtype=bool)}

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        return sample(as_tensor(self.pixels[index]), torch.tensor(int(self.strata[index])))
