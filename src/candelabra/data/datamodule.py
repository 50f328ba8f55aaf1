"""The contract of `data`: reads samples, divides them, transforms them and serves batches."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from candelabra.data import transforms
from candelabra.data.samples import SPLITS, Samples, assign, digest
from candelabra.data.thinned import check_shares, thin
from candelabra.errors import CandelabraError
from candelabra.types import Labels, Sample

Collate = Callable[[Any], Any]


@dataclass(kw_only=True, eq=False)
class DataModule(L.LightningDataModule, ABC):
    """Serves batches of `Sample`; a final class says how one data set is read, and has these arguments too.

    A training sample is a function of the seed, the epoch and its index alone, whatever worker or rank makes it.

    Args:
        size: side of the square images the model sees, or (H, W); in pixels.
        batch_size: images a step, on each device.
        workers: processes that prepare batches; null chooses by the number of processors.
        augment: transforms of training images; see `transforms.training`.
        views: augmented versions of each training image, of which each epoch takes the next; null draws a new one
            each epoch. A frozen backbone then sees each version once, see `candelabra.probing`.
        flip: a mirror image means the same.
        split: published (where the data set has one; what it lacks is drawn) or random.
        val, test: shares of the images, where they are drawn; stratified by class.
        labelled: share of the labelled training images that keep the label of a target, above 0 and up to 1; or one
            by target. Drawn for each target by itself; what is kept at 0.2 is kept at 0.5 too.
        split_seed: of splits and of `labelled`; runs of several seeds are judged on the same images.
        seed: of the order and of augmentation.
    """

    size: int | Sequence[int] = 224
    batch_size: int = 32
    workers: int | None = None
    augment: transforms.Augmentation = "light"
    views: int | None = None
    flip: bool = True
    split: str = "published"
    val: float = 0.15
    test: float = 0.15
    labelled: float | Mapping[str, float] = 1.0
    split_seed: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        if self.batch_size < 1:
            raise CandelabraError(f"data.batch_size={self.batch_size} must be at least 1.")
        if self.split not in ("published", "random"):
            raise CandelabraError(f"data.split={self.split} is not known; allowed are published and random.")
        if self.views is not None and self.views < 1:
            raise CandelabraError(f"data.views={self.views} must be at least 1, or null for a new version each epoch.")
        check_shares(self.labelled)
        sides = [self.size, self.size] if isinstance(self.size, int) else list(self.size)
        if len(sides) != 2 or min(sides) < 8:
            raise CandelabraError(f"data.size={self.size} must be one side or [height,width], in pixels, at least 8.")
        self.shape = (sides[0], sides[1])
        self.samples: Samples | None = None
        self.parts: Mapping[str, NDArray[np.int64]] = {}
        self.served = 0

    @abstractmethod
    def read(self) -> Samples:
        """Reads the data set's lists and labels, no image yet.

        Raises:
            CandelabraError: the folder is missing or does not hold what is expected; the message says what to do.
        """

    def open(self) -> Samples:
        """Reads, verifies, divides and thins the data set; a second call returns the same.

        Raises:
            CandelabraError: see `read`, `Samples.verify`, `assign` and `thin`.
        """
        if self.samples is None:
            samples = self.read()
            samples.verify()
            self.parts = assign(samples, self.val, self.test, self.split_seed, self.split == "published")
            self.pipelines = {split: transforms.evaluation(self.shape) for split in SPLITS}
            self.pipelines["train"] = transforms.training(self.augment, self.shape, samples.labels.mirror, self.flip)
            self.samples = thin(samples, self.parts["train"], self.labelled, self.split_seed)
        return self.samples

    @property
    def labels(self) -> Labels:
        """What the data set labels."""
        return self.open().labels

    def setup(self, stage: str) -> None:
        self.open()

    def prepared(self, split: str) -> "Prepared":
        """The transformed samples of one split."""
        samples = self.open()
        views = self.views if split == "train" else None
        return Prepared(samples, self.parts[split], self.pipelines[split], self.seed, views)

    def train_dataloader(self) -> DataLoader[Sample]:
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Sample]:
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Sample]:
        return self.loader("test")

    def state_dict(self) -> dict[str, int]:
        """How many batches of this epoch were served on each rank: with seed and epoch, the whole state of the data."""
        progress = self.trainer.fit_loop.epoch_loop.batch_progress  # type: ignore[union-attr]
        return {"served": 0 if progress.is_last_batch else progress.current.ready}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        self.served = state_dict["served"]

    def loader(self, split: str) -> DataLoader[Sample]:
        """Batches of one split, made by workers."""
        return self.serve(self.prepared(split), split, default_workers() if self.workers is None else self.workers)

    def serve(
        self, prepared: Dataset[Sample], split: str, workers: int, collate: Collate | None = None
    ) -> DataLoader[Sample]:
        """Batches of a data set that has the keys of `prepared(split)`, in the order of that split."""
        trainer = self.trainer
        ranks = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        keys = Keys(prepared, *ranks, shuffle=split == "train", seed=self.seed)
        if split == "train":
            keys.skip, self.served = self.served * self.batch_size, 0
        return Loader(
            prepared,
            self.batch_size,
            sampler=keys,
            num_workers=workers,
            persistent_workers=workers > 0 and split == "train",
            pin_memory=torch.cuda.is_available(),
            drop_last=split == "train" and len(self.parts[split]) >= 2 * self.batch_size,
            collate_fn=collate,
            generator=torch.Generator(),  # or how often workers start would decide what dropout draws
            multiprocessing_context="fork" if workers and os.name == "posix" else None,
        )


def default_workers() -> int:
    """Processes for loading: the processors left over by the one that feeds the model, at most 8."""
    return max(1, min(8, len(os.sched_getaffinity(0)) - 1))


class Prepared(Dataset[Sample]):
    """Transformed samples of one split, by key: epoch * len + index, so that augmentation depends on nothing else.

    Args:
        samples, indices: which samples.
        pipeline: what they go through.
        seed: of augmentation.
        views: see `DataModule`.

    Attributes:
        versions: how many versions of each sample there are; null for endlessly many.
    """

    def __init__(
        self,
        samples: Samples,
        indices: NDArray[np.int64],
        pipeline: transforms.Pipeline,
        seed: int,
        views: int | None = None,
    ) -> None:
        self.samples, self.indices, self.pipeline, self.seed = samples, indices, pipeline, seed
        self.versions = 1 if pipeline.fixed else views

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int) -> Sample:
        sample = self.samples[int(self.indices[key % len(self)])]
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(self._draws(key))
            return self.pipeline(sample)

    def digest(self, key: int) -> bytes:
        """20 bytes that differ where what the pipeline gets, or draws, does."""
        content = self.samples.digest(int(self.indices[key % len(self)]))
        return content if self.pipeline.fixed else digest(content, self._draws(key))

    def row(self, key: int) -> int:
        """The number of a version of a sample among all len * versions; equal keys modulo that are one sample."""
        return key % (len(self) * self.versions) if self.versions else key

    def _draws(self, key: int) -> int:
        return self.seed * 1_000_003 + self.row(key)


class Keys(DistributedSampler[int]):
    """Yields the keys of `Prepared` in an order that depends on seed and epoch; ranks share them out.

    Attributes:
        skip: samples at the beginning of the next pass to leave out, as they were served before.
    """

    skip = 0

    def __iter__(self) -> Iterator[int]:
        first: int = self.epoch * len(self.dataset)  # type: ignore[arg-type]
        skip, self.skip = self.skip, 0
        return (first + index for index in islice(super().__iter__(), skip, None))


class Loader(DataLoader[Sample]):
    """Begins an epoch when its first batch is asked for.

    Lightning makes the first iterator of a resumed run before it tells the sampler the epoch; workers would then
    prepare samples of another one.
    """

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        yield from super().__iter__()
