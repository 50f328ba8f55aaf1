"""Classic sets of small images, which torchvision reads: CIFAR, MNIST, Fashion-MNIST and STL-10."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.readers.array_samples import ArraySamples
from candelabra.data.readers.download import open_torchvision_splits
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_names
from candelabra.data.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Cifar10(Reader):
    """60,000 images of 32 x 32 pixels in 10 classes; 10,000 are the published test set (Krizhevsky 2009).

    Args:
        root: the folder that holds `cifar-10-batches-py`.
        download: download the 170 MB if they are missing.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("cifar10", ("cifar-10-batches-py",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import CIFAR10

        train, test = open_torchvision_splits(CIFAR10, self.root, self.download, train=(True, False)).values()
        return _joined([train.data, test.data], [train.targets, test.targets], train.classes)


@dataclass(frozen=True, kw_only=True)
class Cifar100(Reader):
    """60,000 images of 32 x 32 pixels in 100 classes; 10,000 are the published test set (Krizhevsky 2009).

    Args:
        root: the folder that holds `cifar-100-python`.
        download: download the 170 MB if they are missing.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("cifar100", ("cifar-100-python",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import CIFAR100

        train, test = open_torchvision_splits(CIFAR100, self.root, self.download, train=(True, False)).values()
        return _joined([train.data, test.data], [train.targets, test.targets], train.classes)


@dataclass(frozen=True, kw_only=True)
class Mnist(Reader):
    """70,000 handwritten digits of 28 x 28 pixels; 10,000 are the published test set (LeCun et al. 1998).

    Args:
        root: the folder that holds `MNIST/raw`.
        download: download the 12 MB if they are missing.
    """

    tier = DetectionTier.DATASETS
    symmetric = False

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("mnist", ("MNIST/raw",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import MNIST

        train, test = open_torchvision_splits(MNIST, self.root, self.download, train=(True, False)).values()
        digits = [str(digit) for digit in range(10)]
        return _joined([part.data.numpy() for part in (train, test)], [train.targets, test.targets], digits)


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Reader):
    """70,000 pictures of clothes of 28 x 28 pixels; 10,000 are the published test set (Xiao et al. 2017).

    Args:
        root: the folder that holds `FashionMNIST/raw`.
        download: download the 30 MB if they are missing.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("fashion_mnist", ("FashionMNIST/raw",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import FashionMNIST

        train, test = open_torchvision_splits(FashionMNIST, self.root, self.download, train=(True, False)).values()
        arrays = [part.data.numpy() for part in (train, test)]
        return _joined(arrays, [train.targets, test.targets], train.classes)


@dataclass(frozen=True, kw_only=True)
class Stl10(Reader):
    """13,000 images of 96 x 96 pixels in 10 classes; 8,000 are the published test set (Coates et al. 2011).

    Args:
        root: the folder that holds `stl10_binary`.
        download: download the 2.6 GB if they are missing, most of which are images without a label.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("stl10", ("stl10_binary",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import STL10

        train, test = open_torchvision_splits(STL10, self.root, self.download, split=("train", "test")).values()
        arrays = [part.data.transpose(0, 2, 3, 1) for part in (train, test)]
        return _joined(arrays, [train.labels, test.labels], train.classes)


def _joined(
    pixels: Sequence[NDArray[np.uint8]], labels: Sequence[Sequence[int]], classes: Sequence[str]
) -> ArraySamples:
    """Training and test images as one."""
    published = np.repeat(["train", "test"], [len(part) for part in pixels])
    return ArraySamples(
        np.concatenate(pixels),
        np.concatenate([np.asarray(part) for part in labels]).astype(np.int64),
        classes,
        published,
    )
