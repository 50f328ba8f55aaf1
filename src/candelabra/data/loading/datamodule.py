"""The contract of `data`: reads samples, divides them, transforms them and serves batches."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from candelabra.data.decoding.paths import printable_path
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.loading.loader import BatchLoader, collate_samples, survive_sigterm
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.loading.workers import choose_workers
from candelabra.data.samples import Samples
from candelabra.data.sampling.mixture import MixtureShare
from candelabra.data.sampling.splits import Splitter
from candelabra.data.sampling.train_order import BatchOrder, SampleOrder, SequentialOrder, TrainOrder
from candelabra.data.sampling.weights import check_sampler, make_train_order
from candelabra.data.targets import Labels
from candelabra.data.transforms.batch_transforms import BatchTransforms, check_sizes
from candelabra.data.transforms.pipeline import (
    Augmentation,
    SampleTransforms,
    make_eval_transforms,
    make_train_transforms,
)
from candelabra.data.transforms.resize import Resizing, make_resize
from candelabra.data.views.cached_samples import CacheMode, cache_samples
from candelabra.data.views.drop_labels import check_label_shares, drop_labels
from candelabra.data.views.select_targets import select_targets
from candelabra.environment import choose_start_method
from candelabra.errors import CandelabraError
from candelabra.types import Sample

log = logging.getLogger(__name__)
Collate = Callable[[Any], Any]


@dataclass(kw_only=True, eq=False)
class DataModule(L.LightningDataModule, ABC):
    """Serves batches of `Sample`; a final class says how one data set is read, and has these arguments too.

    A training sample is a function of the seed, the epoch and its index alone, whatever worker or rank makes it.
    What `read` does not fill of `pipelines`, `runs`, `orders` and `shares`, `open` fills as for one data set.

    Args:
        size: side of the square images the model sees, or (H, W); in pixels.
        batch_size: images a step, on each device.
        workers: processes that prepare batches; null chooses by timing a few samples, see `workers.choose`.
        augment: transforms of training images; see `make_train_transforms`.
        resize: how an image comes to `size`: stretch; letterbox (whole and in its proportions, amid grey); or crop (its
            middle in its proportions, in training any part; labels outside are none). See `augment.resizing`.
        erase: share of training images of which a rectangle is painted over; see `Erase`.
        multiscale: null; or the least and the largest factor of the size, drawn for each training batch.
        mixup, cutmix: alphas of the blending of training images, for label and mask; see `BatchTransforms`.
        views: augmented versions of each training image, of which each epoch takes the next; null draws a new one
            each epoch. A frozen backbone then sees each version once, see `candelabra.feature_cache`.
        flip: a mirror image means the same.
        sampler: how often a training image comes in an epoch: shuffled (once), balanced (so that classes come equally
            often), repeated (more often with a rare class), or by the numbers of a table (`weights.csv`, with the
            columns name and weight). See `candelabra.data.sampling.weights`.
        split: published (where the data set has one; what it lacks is drawn), random, or a table `<file>.csv` with the
            columns name (or image) and split, such as the splits.csv of another run; images it lacks are left out.
        val, test: shares of the images, where they are drawn; stratified by class.
        groups: images of one group (person, drive) come into one split. A regular expression that finds it in a
            name (.+_ is all up to the last underscore), or whose first group does; or a table, `persons.csv`, with the
            columns name and group.
        folds, fold: divide all images, published or not, into so many folds, and test on number `fold`, from 0; `val`
            is then a share of the others.
        targets: those of the data set to keep, such as [label, box]; null for all.
        labelled: share of the labelled training images that keep the label of a target, above 0 and up to 1; or one
            by target. Drawn for each target by itself; what is kept at 0.2 is kept at 0.5 too.
        split_seed: of splits and of `labelled`; runs of several seeds are judged on the same images.
        seed: of the order and of augmentation.
        on_bad: what becomes of an image that cannot be read: skip (left out, and counted; where it is found out in
            mid-training only, a grey image without labels stands in for it) or raise.
        cache: where images are kept at the size that they are used at: none, ram (shared by all processes of the run)
            or disk (by all runs); see `Kept`.
        cache_gigabytes: (10^9 bytes each) that images of all data sets may take there.

    Attributes:
        shape: (H, W) of the images served; where `uniform` is false, of the first.
        parts: indices of the samples of each split.
        batchwise: what is done to whole batches of training images.
        pipelines: what the samples of each split go through.
        runs: how many samples of each split each data set has, one after another.
        orders: how each split is served.
        shares: of an epoch, where several data sets are its source; one with the whole of it, otherwise.
        uniform: all images have one size.
        cached: images are kept, in memory or on disk.
        issues: what was odd, and what was done about it; an image that was found bad in training is not among them.
        replaced: (n,) bool, the images that were found bad in training and stood in for, on this rank.
    """

    size: int | Sequence[int] = 224
    batch_size: int = 32
    workers: int | None = None
    augment: Augmentation = "light"
    resize: Resizing = "stretch"
    erase: float = 0.0
    multiscale: Sequence[float] | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    views: int | None = None
    flip: bool = True
    sampler: str = "shuffled"
    split: str = "published"
    val: float = 0.15
    test: float = 0.15
    groups: str | None = None
    folds: int | None = None
    fold: int = 0
    targets: Sequence[str] | None = None
    labelled: float | Mapping[str, float] = 1.0
    split_seed: int = 0
    seed: int = 0
    on_bad: Literal["skip", "raise"] = "skip"
    cache: CacheMode = "none"
    cache_gigabytes: float = 10.0

    def __post_init__(self) -> None:
        super().__init__()
        if self.batch_size < 1:
            raise CandelabraError(f"data.batch_size={self.batch_size} must be at least 1.")
        self.root_folder: str | None = vars(self).get("root")
        self.division = Splitter(
            self.split, self.val, self.test, self.groups, self.folds, self.fold, self.split_seed, self.root_folder
        )
        check_sampler(self.sampler)
        if self.on_bad not in ("skip", "raise"):
            raise CandelabraError(f"data.on_bad={self.on_bad} is not known; allowed are skip and raise.")
        if self.views is not None and self.views < 1:
            raise CandelabraError(f"data.views={self.views} must be at least 1, or null for a new version each epoch.")
        check_label_shares(self.labelled)
        sides = [self.size, self.size] if isinstance(self.size, int) else list(self.size)
        if len(sides) != 2 or min(sides) < 8:
            raise CandelabraError(f"data.size={self.size} must be one side or [height,width], in pixels, at least 8.")
        self.shape = (sides[0], sides[1])
        self.batchwise = BatchTransforms(self.mixup, self.cutmix, self.multiscale, self.seed)
        check_sizes(self.batchwise, self.shape)
        self.pipelines_of(Labels())  # refuses words that are not known
        self.samples: Samples | None = None
        self.parts: Mapping[str, NDArray[np.int64]] = {}
        self.pipelines: dict[str, SampleTransforms] = {}
        self.runs: dict[str, list[int]] = {}
        self.orders: dict[str, SampleOrder] = {}
        self.shares: Sequence[MixtureShare] = ()
        self.uniform = True
        self.served = 0
        self.chosen_workers: int | None = None
        self.cached = self.cache != "none"
        self.issues: Sequence[DataIssue] = ()
        self.replaced = torch.zeros(0, dtype=torch.bool)

    @abstractmethod
    def read(self) -> Samples:
        """Reads the data set's lists and labels, no image yet.

        Raises:
            CandelabraError: the folder is missing or does not hold what is expected; the message says what to do.
        """

    def open(self) -> Samples:
        """Reads, restricts, verifies, divides and thins the data set; a second call returns the same.

        Raises:
            CandelabraError: see `read`, `select_targets`, `Samples.verify`, `Splitter`, `drop_labels` and
                `make_train_order`.
        """
        if self.samples is None:
            samples = select_targets(cache_samples(self.read(), self.cache, self.cache_gigabytes), self.targets)
            bad = self._judge(samples)
            self.parts = self.division.parts(samples, bad)
            samples = drop_labels(samples, self.parts["train"], self.labelled, self.split_seed)
            if not self.pipelines:
                self.pipelines = self.pipelines_of(samples.labels)
                self.runs = {split: [len(part)] for split, part in self.parts.items()}
                self.orders = {split: SequentialOrder(runs) for split, runs in self.runs.items()}
                order = self.order(samples)
                self.orders["train"] = order
                self.shares = [MixtureShare("", 0, len(self.parts["train"]), order.total)]
            self.replaced = torch.zeros(len(samples), dtype=torch.bool).share_memory_()
            self.samples = samples
        return self.samples

    def order(self, samples: Samples) -> TrainOrder:
        """In what order training samples are served, once `parts` are known; for data that have one of their own."""
        return make_train_order(self.sampler, samples, self.parts["train"], self.seed, self.root_folder)

    def pipelines_of(self, labels: Labels) -> dict[str, SampleTransforms]:
        """What the samples of each split go through where these are the labels."""
        made = make_resize(self.resize, self.batchwise.made(self.shape))
        train = make_train_transforms(self.augment, made, labels, self.flip, self.erase)
        judged = make_eval_transforms(make_resize(self.resize, self.shape), labels)
        return {"train": train, "val": judged, "test": judged}

    def _judge(self, samples: Samples) -> Collection[int]:
        """Which samples cannot be used; says which, or refuses them."""
        bad = samples.verify()
        found = [
            DataIssue(samples.names[index], "unreadable", IssueTreatment.SKIPPED, why) for index, why in bad.items()
        ]
        self.issues = [*samples.issues, *found]
        if bad:
            some = "; ".join(f"{printable_path(samples.names[index])}: {why}" for index, why in list(bad.items())[:3])
            words = f"{len(bad)} of {len(samples)} images cannot be used ({some}{'; ...' if len(bad) > 3 else ''})"
            if len(bad) == len(samples):
                raise CandelabraError(f"{words}; is data.root right?")
            if self.on_bad == "raise":
                raise CandelabraError(f"{words}; mend them, or leave them out with data.on_bad=skip.")
            log.warning("%s: they are left out", words)
        return bad

    @property
    def labels(self) -> Labels:
        """What the data set labels."""
        return self.open().labels

    def setup(self, stage: str) -> None:
        self.open()

    def prepared(self, split: str) -> "TransformedDataset":
        """The transformed samples of one split."""
        samples = self.open()
        views = self.views if split == "train" else None
        pipeline, lenient = self.pipelines[split], self.on_bad == "skip"
        return TransformedDataset(samples, self.parts[split], pipeline, self.seed, views, lenient, self.replaced)

    def chosen(self, split: str, count: int) -> list[int]:
        """Positions of so many samples of a split, from all data sets alike and spread over each."""
        self.open()
        runs = self.runs[split]
        places: list[int] = []
        for number, length in enumerate(runs):
            wanted = count // len(runs) + (number < count % len(runs))
            spread = np.linspace(0, length - 1, min(wanted, length)).astype(int)
            places += [sum(runs[:number]) + int(place) for place in spread]
        return places

    def train_dataloader(self) -> DataLoader[Sample]:
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Sample]:
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Sample]:
        return self.loader("test")

    def state_dict(self) -> dict[str, int]:
        """How many batches of this epoch were served on each rank: with seed and epoch, the whole state of the data.

        It is kept here, not in the loader: `trainer.estimated_stepping_batches` in `configure_optimizers` makes
        Lightning create the training loader before it restores the loops, and `load_state_dict` of the loader is then
        never called.
        """
        progress = self.trainer.fit_loop.epoch_loop.batch_progress  # type: ignore[union-attr]
        return {"served": 0 if progress.is_last_batch else progress.current.ready}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        self.served = state_dict["served"]

    def loader(self, split: str) -> DataLoader[Sample]:
        """Batches of one split, made by workers."""
        return self.serve(self.prepared(split), split, self.processes())

    def processes(self) -> int:
        """How many workers there are: as told, or as timing a few training samples suggests."""
        if self.workers is not None:
            return self.workers
        if self.chosen_workers is None:
            trainer = self.trainer
            device = trainer.strategy.root_device.type if trainer else "cuda" if torch.cuda.is_available() else "cpu"
            ranks = trainer.num_devices if trainer else 1
            found = choose_workers(self.prepared("train"), self.batch_size, device, ranks, self.cached)
            words = "data.workers=%d chosen: a sample takes %.1f ms on one of %d processors"
            log.info(words, found.workers, found.seconds * 1000, found.processors)
            self.chosen_workers = found.workers
        return self.chosen_workers

    def serve(
        self, prepared: Dataset[Sample], split: str, workers: int, collate: Collate = collate_samples
    ) -> DataLoader[Sample]:
        """Batches of a data set that has the keys of `prepared(split)`, in the order of that split."""
        trainer = self.trainer
        ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        steps = trainer.accumulate_grad_batches if trainer and split == "train" else 1
        batches = BatchOrder(self.orders[split], self.batch_size, *ranks, steps)
        if split == "train":
            batches.skip, self.served = self.served, 0
        loader = BatchLoader(
            prepared,
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0 and split == "train",
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
            worker_init_fn=survive_sigterm,
            # By default a DataLoader draws from torch's global generator whenever its workers start, so dropout would
            # depend on data.workers.
            generator=torch.Generator(),
            multiprocessing_context=choose_start_method(workers),
        )
        if split == "train" and self.batchwise:
            loader.batchwise = self.batchwise.with_labels(self.labels)
        return loader
