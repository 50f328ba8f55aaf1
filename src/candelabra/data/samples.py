"""The contract of a data set as it lies on disk (or is drawn): samples of their own size, labels, published splits."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from candelabra.data.issues import DataIssue
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.types import Sample

SPLITS = ("train", "val", "test")
ALL_SPLITS = "all"  # of them together, to measure on


class AmbiguousDataset(CandelabraError):
    """Something must be said of a data set before it can be used; `candelabra check` looks at what there is.

    Args:
        words: what, and how.
        samples: without what is unclear.
    """

    def __init__(self, words: str, samples: "Samples") -> None:
        super().__init__(words)
        self.samples = samples


class ShardWindows(NamedTuple):
    """Training is to read some shards at a time; see `WindowedOrder`.

    Args:
        shard: (n,) int64, the shard of each sample.
        size: shards that are read at a time, at least 1.
    """

    shard: NDArray[np.int64]
    size: int


class Samples(Dataset[Sample], ABC):
    """Samples before any transform, by index.

    Attributes:
        labels: what is labelled.
        names: what identifies each sample, such as its path below the root.
        published: train, val, test or "" for each sample, as the data set's authors divided it.
        strata: (n,) int; random splits keep the shares of these numbers (the class, mostly).
        issues: what was odd in lists and labels, and what was done about it.
        windows: shards that training is to read together; null where samples can be read in any order.
    """

    labels: Labels
    names: Sequence[str]
    published: NDArray[np.str_]
    strata: NDArray[np.int64]
    issues: Sequence[DataIssue] = ()
    windows: ShardWindows | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return self.load(index)

    @abstractmethod
    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        """One sample; see `make_sample` for how it is made.

        Args:
            index: of the sample.
            least: (H, W) in pixels; the image may come smaller than it is, with its labels, but in no direction
                smaller than this. Null for its own size.

        Raises:
            UnreadableFile: its file cannot be read.
        """

    @abstractmethod
    def digest(self, index: int) -> bytes:
        """20 bytes that differ where pixels or labels of two samples do; no image is decoded; see `hash_contents`."""

    def original(self, index: int) -> bytes | None:
        """The image file of a sample as it was found; null where there is none, as for drawn images.

        Raises:
            UnreadableFile: it cannot be read.
        """
        return None

    @abstractmethod
    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        """For each target, which samples have it: (n,) bool, without reading an image."""

    def shown(self) -> NDArray[np.bool_]:
        """(n, C) which classes each sample is labelled with; C is 0 where no target classifies. No image is read."""
        target = self.labels.find(LabelTarget)
        if target is None:
            return np.zeros((len(self), 0), dtype=bool)
        same: NDArray[np.bool_] = self.strata[:, None] == np.arange(len(target.classes))
        return same & self.labelled()[target.name][:, None]

    def verify(self) -> Mapping[int, str]:
        """What would fail in mid-training, as far as it can be told without decoding images.

        Returns:
            What is wrong with the samples that cannot be used, by index.
        """
        return {}

    def inspect(self, index: int) -> Sequence[DataIssue]:
        """All that is odd in one sample, its image and mask decoded; see `issues` for lists and labels."""
        return ()


def hash_contents(*contents: Any) -> bytes:
    """20 bytes that stand for arrays, tensors, the bytes of files and plain values, in this order.

    >>> hash_contents(b"a", 1) == hash_contents(b"a", 1), hash_contents(b"a", 1) == hash_contents(b"a", 2)
    (True, False)
    """
    digester = hashlib.blake2b(digest_size=20)
    for content in contents:
        if isinstance(content, bytes):
            kind, raw = "bytes", content
        elif isinstance(content, np.ndarray | np.generic | Tensor):
            values = np.ascontiguousarray(np.asarray(content))
            kind, raw = f"{values.dtype}{values.shape}", values.tobytes()
        else:
            kind, raw = type(content).__name__, repr(content).encode()
        digester.update(f"{kind} {len(raw)} ".encode() + raw)
    return digester.digest()


def make_sample(image: Tensor, labels: Labels | None = None, values: Mapping[str, Tensor] | None = None) -> Sample:
    """Wraps tensors so that torchvision's transforms move them together; see `candelabra.types.Sample`.

    Args:
        image: (3, H, W) uint8, or float in [0, 1].
        labels: the targets; null for an image alone.
        values: of the targets, plain.
    """
    size = (image.shape[-2], image.shape[-1])
    wrapped: Any = {
        name: labels[name].wrap(value, size) for name, value in (values or {}).items() if labels is not None
    }
    return {"image": tv_tensors.Image(image), **wrapped}


def add_missing_targets(sample: Sample, labels: Labels) -> Sample:
    """Adds the targets that a sample lacks, as not labelled."""
    size = (sample["image"].shape[-2], sample["image"].shape[-1])
    made: Any = {n: target.wrap(target.missing(size), size) for n, target in labels.items() if n not in sample}
    return {**sample, **made}


def image_to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels (H, W, 3) or (H, W) -> a tensor (3, H, W) or (H, W)."""
    # NumPy arrays of Pillow images are read-only memory, and transforms write in place: copy those, not decoded arrays.
    tensor = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
    return tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor
