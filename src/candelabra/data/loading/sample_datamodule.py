"""The contract of `data`: serves batches of samples, in an order that resumes exactly."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from candelabra.data.issues import DataIssue
from candelabra.data.loading.dataset_part import DatasetPart, OnBad
from candelabra.data.loading.loader import collate_samples, make_batch_loader
from candelabra.data.loading.plan import LoadingPlan
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.loading.workers import choose_workers
from candelabra.data.samples import Samples
from candelabra.data.sampling.mixture import MixtureShare
from candelabra.data.sampling.train_order import BatchOrder
from candelabra.data.targets import Labels
from candelabra.data.transforms.batch_transforms import BatchTransforms
from candelabra.data.transforms.pipeline import SampleTransforms
from candelabra.data.views.cached_samples import CacheMode
from candelabra.errors import CandelabraError
from candelabra.types import Sample

log = logging.getLogger(__name__)
Collate = Callable[[Any], Any]


@dataclass(kw_only=True, eq=False)
class SampleDataModule(L.LightningDataModule, ABC):
    """A LightningDataModule of batches of `Sample` values; a final class says which data sets they come from.

    A training sample is a function of the seed, the epoch and its index alone, whatever worker or rank makes it.

    Args:
        batch_size: images in a batch, on each device; at least 1.
        workers: processes that prepare batches, 0 for none; null chooses by timing a few samples, see `choose_workers`.
        multiscale: null; or the least and the largest factor of the size, drawn for each training batch.
        mixup, cutmix: alphas of the blending of training images, for label and mask; 0 for none; see `BatchTransforms`.
        views: augmented versions of each training image, at least 1, of which each epoch takes the next; null draws a
            new one each epoch. With a number, a frozen backbone sees each version once: see `feature_cache`.
        seed: of order and augmentation.
        on_bad: what to do with an image that cannot be read: skip (it is left out and counted; where training finds
            it first, a grey image without labels stands in for it) or raise.
        cache: where images are stored at the size that they are used at: none, ram (shared by all processes of the run)
            or disk (shared by all runs); see `CachedSamples`.
        cache_gigabytes: limit of that cache, for the images of all data sets together (10^9 bytes each).

    Attributes:
        shape: (H, W) of the images in pixels; where `uniform` is false, of the first data set.
        uniform: all images have one size.
        batchwise: transforms of whole training batches.
        replaced: (n,) bool, images that could not be read in training and were replaced by grey ones, on this rank.
        chosen_workers: what `workers=None` stands for, from the first loader on.
    """

    batch_size: int = 32
    workers: int | None = None
    multiscale: Sequence[float] | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    views: int | None = None
    seed: int = 0
    on_bad: OnBad = "skip"
    cache: CacheMode = "none"
    cache_gigabytes: float = 10.0

    def __post_init__(self) -> None:
        super().__init__()
        if self.batch_size < 1:
            raise CandelabraError(f"data.batch_size={self.batch_size} must be at least 1.")
        if self.on_bad not in ("skip", "raise"):
            raise CandelabraError(f"data.on_bad={self.on_bad} is not known; allowed are skip and raise.")
        if self.views is not None and self.views < 1:
            raise CandelabraError(f"data.views={self.views} must be at least 1, or null for a new version each epoch.")
        self.batchwise = BatchTransforms(self.mixup, self.cutmix, self.multiscale, self.seed)
        shapes = [part.shape for part in self.datasets().values()]
        self.shape, self.uniform = shapes[0], len(set(shapes)) == 1
        for part in self.datasets().values():
            part.check_transforms(self.batchwise)
        self.replaced = torch.zeros(0, dtype=torch.bool)
        self._plan: LoadingPlan | None = None
        self._served = 0
        self.chosen_workers: int | None = None

    @abstractmethod
    def datasets(self) -> Mapping[str, DatasetPart]:
        """The data sets by name; a single one has the name ""."""

    @abstractmethod
    def make_plan(self) -> LoadingPlan:
        """Reads the data sets and decides what is served.

        Raises:
            CandelabraError: see `DatasetPart.open`.
        """

    @abstractmethod
    def find_groups(self) -> NDArray[np.int64] | None:
        """(n,) int64, the group of each sample, to divide a split further; null where samples have no groups."""

    @property
    def plan(self) -> LoadingPlan:
        """What is served; the data sets are read when it is asked for first."""
        if self._plan is None:
            self._plan = self.make_plan()
            self.replaced = torch.zeros(len(self._plan.samples), dtype=torch.bool).share_memory_()
        return self._plan

    def open(self) -> Samples:
        """Reads the data sets; a second call returns the same samples.

        Raises:
            CandelabraError: see `make_plan`.
        """
        return self.plan.samples

    @property
    def labels(self) -> Labels:
        """What the data sets label."""
        return self.open().labels

    @property
    def parts(self) -> Mapping[str, NDArray[np.int64]]:
        """Indices of the samples of each split."""
        return self.plan.parts

    @property
    def shares(self) -> Sequence[MixtureShare]:
        """What each data set gives to an epoch."""
        return self.plan.shares

    @property
    def issues(self) -> Sequence[DataIssue]:
        """What was odd, and what was done about it; images that training found unreadable are in `replaced`."""
        return self.plan.issues

    @property
    def cached(self) -> bool:
        """Images are stored, in memory or on disk."""
        return self.cache != "none"

    def change_batch_size(self, size: int) -> None:
        """Serves batches of another size, as if built with it; extended where the plan depends on it."""
        self.batch_size, self.chosen_workers = size, None

    def replace_train_transforms(self, transforms: SampleTransforms) -> None:
        """Sends training samples through other transforms than those of the options.

        Args:
            transforms: must end in images of one size for each data set, and unwrap tensors, see `TransformPipeline`.
        """
        self._plan = self.plan.with_train_transforms(transforms)

    def disable_augmentation(self) -> None:
        """Serves training samples as those of the test split, to measure on them; see `without_augmentation`."""
        self._plan = self.plan.without_augmentation()
        self.batchwise = BatchTransforms(0.0, 0.0, None, self.seed)

    def join_splits(self) -> None:
        """Serves all splits together too, as `ALL_SPLITS`, each sample as those of the test split."""
        self._plan = self.plan.join_splits()

    def dataset(self, split: str) -> TransformedDataset:
        """The transformed samples of one split."""
        plan, views = self.plan, self.views if split == "train" else None
        transforms, lenient = plan.transforms[split], self.on_bad == "skip"
        return TransformedDataset(plan.samples, plan.parts[split], transforms, self.seed, views, lenient, self.replaced)

    def spread_positions(self, split: str, count: int) -> list[int]:
        """Positions in `dataset(split)` of so many samples, equally many of each data set and spread over it."""
        return self.plan.spread_positions(split, count)

    def setup(self, stage: str) -> None:
        self.open()

    def train_dataloader(self) -> DataLoader[Sample]:
        return self.make_loader("train")

    def val_dataloader(self) -> DataLoader[Sample]:
        return self.make_loader("val")

    def test_dataloader(self) -> DataLoader[Sample]:
        return self.make_loader("test")

    def predict_dataloader(self) -> DataLoader[Sample]:
        return self.make_loader("test")

    def state_dict(self) -> dict[str, int]:
        """The batches of this epoch that each rank has had: with seed and epoch, the whole state of the data.

        The loader cannot keep it: `trainer.estimated_stepping_batches` in `configure_optimizers` makes Lightning create
        the loader before it restores the loops, and `load_state_dict` of the loader is then never called.
        """
        progress = self.trainer.fit_loop.epoch_loop.batch_progress  # type: ignore[union-attr]
        return {"served": 0 if progress.is_last_batch else progress.current.ready}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        self._served = state_dict["served"]

    def count_workers(self) -> int:
        """The number of workers: `workers`, or chosen once by timing a few training samples."""
        if self.workers is not None:
            return self.workers
        if self.chosen_workers is None:
            ranks = self.trainer.num_devices if self.trainer else 1
            found = choose_workers(self.dataset("train"), self.batch_size, self._device_type(), ranks, self.cached)
            words = "data.workers=%d chosen: a sample takes %.1f ms on one of %d processors"
            log.info(words, found.workers, found.seconds * 1000, found.processors)
            self.chosen_workers = found.workers
        return self.chosen_workers

    def _device_type(self) -> str:
        """Of the trainer, cuda or cpu; without a trainer, of the machine."""
        if self.trainer:
            return str(self.trainer.strategy.root_device.type)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def make_loader(self, split: str) -> DataLoader[Sample]:
        """Batches of one split, made by workers."""
        return self.load_batches(self.dataset(split), split, self.count_workers())

    def load_batches(
        self, dataset: Dataset[Sample], split: str, workers: int, collate: Collate | None = None
    ) -> DataLoader[Sample]:
        """Batches of a dataset with the keys of `dataset(split)`, in the order of that split.

        Args:
            dataset: whose samples.
            split: train, val or test.
            workers: processes that prepare batches; 0 for none.
            collate: samples -> batch; null for `collate_samples`.
        """
        collate = partial(collate_samples, labels=self.labels) if collate is None else collate
        trainer = self.trainer
        ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        steps = trainer.accumulate_grad_batches if trainer and split == "train" else 1
        batches = BatchOrder(self.plan.orders[split], self.batch_size, *ranks, steps)
        batches.fixed = bool(trainer and trainer.overfit_batches)  # type: ignore[attr-defined]
        if split == "train":
            batches.skip, self._served = self._served, 0
        train = split == "train"
        batchwise = self.batchwise.with_labels(self.labels) if train else None
        return make_batch_loader(dataset, batches, workers, collate, train, batchwise, self._device_type() == "cuda")
