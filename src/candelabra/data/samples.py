"""The contract of a data set as it lies on disk (or is drawn): samples of their own size, labels, published splits."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from candelabra.errors import CandelabraError
from candelabra.types import Labels, Sample

SPLITS = ("train", "val", "test")


class Samples(Dataset[Sample], ABC):
    """Samples before any transform, by index.

    Attributes:
        labels: what is labelled.
        names: what identifies each sample, such as its path below the root.
        published: train, val, test or "" for each sample, as the data set's authors divided it.
        strata: (n,) int; random splits keep the shares of these numbers (the class, mostly).
    """

    labels: Labels
    names: Sequence[str]
    published: NDArray[np.str_]
    strata: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The sample at its own size; see `sample` for how one is made."""

    @abstractmethod
    def digest(self, index: int) -> bytes:
        """20 bytes that differ where the pixels or labels of two samples do; no image is decoded. See `digest`."""

    @abstractmethod
    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        """For each target, which samples have it: (n,) bool, without reading an image."""

    @abstractmethod
    def verify(self) -> None:
        """Looks for what would fail in mid-training, without decoding images.

        Raises:
            CandelabraError: a file is missing, or a mask has another size than its image.
        """


def digest(*contents: Any) -> bytes:
    """20 bytes that stand for arrays, tensors, the bytes of files and plain values, in this order.

    >>> digest(b"a", 1) == digest(b"a", 1), digest(b"a", 1) == digest(b"a", 2)
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


def sample(
    image: Tensor,
    label: Tensor | None = None,
    box: Tensor | None = None,
    keypoints: Tensor | None = None,
    mask: Tensor | None = None,
) -> Sample:
    """Wraps tensors so that torchvision's transforms move them together; see `candelabra.types.Sample`."""
    size = (image.shape[-2], image.shape[-1])
    made: Sample = {"image": tv_tensors.Image(image)}
    if label is not None:
        made["label"] = label
    if box is not None:
        made["box"] = tv_tensors.BoundingBoxes(box.float().view(1, 4), format="XYXY", canvas_size=size)
    if keypoints is not None:
        made["keypoints"] = tv_tensors.KeyPoints(keypoints.float(), canvas_size=size)
    if mask is not None:
        made["mask"] = tv_tensors.Mask(mask)
    return made


def assign(samples: Samples, val: float, test: float, seed: int, published: bool) -> dict[str, NDArray[np.int64]]:
    """Divides samples into train, val and test: as published, and what is not published at random by stratum.

    Args:
        samples: to be divided.
        val: share of the images, where it is not published.
        test: likewise.
        seed: equal seeds give equal splits.
        published: keep to the published split where there is one.

    Raises:
        CandelabraError: a split would be empty, or lack a class.
    """
    given = samples.published if published else np.full(len(samples), "", dtype="<U5")
    if val + test >= 1 or min(val, test) < 0:
        raise CandelabraError(f"data.val={val} and data.test={test} must be shares that leave something to train on.")
    chosen = given.copy()
    if not (given == "train").any():
        chosen[given == ""] = "train"
    rng = np.random.default_rng(seed)
    for split, share in (("test", test), ("val", val)):
        if not (given == split).any() and share > 0:
            pool = np.flatnonzero(chosen == "train")
            share = share if split == "test" else share / (1 - (0 if (given == "test").any() else test))
            chosen[draw(pool, samples.strata[pool], share, rng)] = split
    parts = {split: np.flatnonzero(chosen == split) for split in SPLITS}
    _refuse_empty(samples, parts)
    return parts


def draw(
    pool: NDArray[np.int64], strata: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draws a share of the pool so that each stratum gives its share, as near as whole numbers allow."""
    order = np.lexsort((rng.random(len(pool)), strata))
    marks = np.floor(np.arange(len(pool) + 1) * share + rng.random())  # systematic sampling
    drawn: NDArray[np.int64] = pool[order[np.diff(marks) > 0]]
    return drawn


def _refuse_empty(samples: Samples, parts: Mapping[str, NDArray[np.int64]]) -> None:
    for split, indices in parts.items():
        if not len(indices):
            raise CandelabraError(
                f"There is no image in the {split} split ({len(samples)} images in all); give more images, or other "
                "shares with data.val and data.test."
            )
    if samples.labels.classes and not samples.labels.multilabel:
        known = samples.strata >= 0
        for index, name in enumerate(samples.labels.classes):
            for split, indices in parts.items():
                if not ((samples.strata[indices] == index) & known[indices]).any():
                    raise CandelabraError(
                        f"Class {name!r} has no image in the {split} split ({(samples.strata == index).sum()} in all); "
                        "give it more images, drop it, or set other shares with data.val and data.test."
                    )


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels (H, W, 3) or (H, W) -> a tensor (3, H, W) or (H, W)."""
    tensor = torch.from_numpy(np.array(pixels))  # a copy: Pillow's own memory cannot be written to
    return tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor
