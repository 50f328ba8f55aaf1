"""The contract of `data`: reads samples, divides them, transforms them and serves batches."""

import logging
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from candelabra.data import transforms
from candelabra.data.mixing import Share
from candelabra.data.oddities import Oddity, Treatment
from candelabra.data.order import Batches, InTurn, Order, Shuffled
from candelabra.data.prepared import Prepared
from candelabra.data.restricted import restrict
from candelabra.data.samples import SPLITS, Samples
from candelabra.data.splitting import assign
from candelabra.data.thinned import check_shares, thin
from candelabra.errors import CandelabraError
from candelabra.types import Labels, Sample

log = logging.getLogger(__name__)
GRACE = 30  # seconds that a process that loads data lives on after a signal
Collate = Callable[[Any], Any]


@dataclass(kw_only=True, eq=False)
class DataModule(L.LightningDataModule, ABC):
    """Serves batches of `Sample`; a final class says how one data set is read, and has these arguments too.

    A training sample is a function of the seed, the epoch and its index alone, whatever worker or rank makes it.
    What `read` does not fill of `pipelines`, `runs`, `orders` and `shares`, `open` fills as for one data set.

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
        targets: those of the data set to keep, such as [label, box]; null for all.
        labelled: share of the labelled training images that keep the label of a target, above 0 and up to 1; or one
            by target. Drawn for each target by itself; what is kept at 0.2 is kept at 0.5 too.
        split_seed: of splits and of `labelled`; runs of several seeds are judged on the same images.
        seed: of the order and of augmentation.
        on_bad: what becomes of an image that cannot be read: skip (left out, and counted; where it is found out in
            mid-training only, a grey image without labels stands in for it) or raise.

    Attributes:
        shape: (H, W) of the images served; where `uniform` is false, of the first.
        parts: indices of the samples of each split.
        pipelines: what the samples of each split go through.
        runs: how many samples of each split each data set has, one after another.
        orders: how each split is served.
        shares: of an epoch, where several data sets are its source; one with the whole of it, otherwise.
        uniform: all images have one size.
        oddities: what was odd, and what was done about it; an image that was found bad in training is not among them.
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
    targets: Sequence[str] | None = None
    labelled: float | Mapping[str, float] = 1.0
    split_seed: int = 0
    seed: int = 0
    on_bad: Literal["skip", "raise"] = "skip"

    def __post_init__(self) -> None:
        super().__init__()
        if self.batch_size < 1:
            raise CandelabraError(f"data.batch_size={self.batch_size} must be at least 1.")
        if self.split not in ("published", "random"):
            raise CandelabraError(f"data.split={self.split} is not known; allowed are published and random.")
        if self.on_bad not in ("skip", "raise"):
            raise CandelabraError(f"data.on_bad={self.on_bad} is not known; allowed are skip and raise.")
        if self.views is not None and self.views < 1:
            raise CandelabraError(f"data.views={self.views} must be at least 1, or null for a new version each epoch.")
        check_shares(self.labelled)
        sides = [self.size, self.size] if isinstance(self.size, int) else list(self.size)
        if len(sides) != 2 or min(sides) < 8:
            raise CandelabraError(f"data.size={self.size} must be one side or [height,width], in pixels, at least 8.")
        self.shape = (sides[0], sides[1])
        self.samples: Samples | None = None
        self.parts: Mapping[str, NDArray[np.int64]] = {}
        self.pipelines: dict[str, transforms.Preparation] = {}
        self.runs: dict[str, list[int]] = {}
        self.orders: dict[str, Order] = {}
        self.shares: Sequence[Share] = ()
        self.uniform = True
        self.served = 0
        self.oddities: Sequence[Oddity] = ()

    @abstractmethod
    def read(self) -> Samples:
        """Reads the data set's lists and labels, no image yet.

        Raises:
            CandelabraError: the folder is missing or does not hold what is expected; the message says what to do.
        """

    def open(self) -> Samples:
        """Reads, restricts, verifies, divides and thins the data set; a second call returns the same.

        Raises:
            CandelabraError: see `read`, `restrict`, `Samples.verify`, `assign` and `thin`.
        """
        if self.samples is None:
            samples = restrict(self.read(), self.targets)
            bad = self._judge(samples)
            self.parts = assign(samples, self.val, self.test, self.split_seed, self.split == "published", bad)
            counts = {split: len(part) for split, part in self.parts.items()}
            if not self.pipelines:
                train = transforms.training(self.augment, self.shape, samples.labels.mirror, self.flip)
                self.pipelines = {**dict.fromkeys(SPLITS, transforms.evaluation(self.shape)), "train": train}
                self.runs = {split: [count] for split, count in counts.items()}
                self.orders = {split: InTurn(runs) for split, runs in self.runs.items()}
                self.orders["train"] = self.order()
                self.shares = [Share("", 0, counts["train"], counts["train"])]
            self.samples = thin(samples, self.parts["train"], self.labelled, self.split_seed)
        return self.samples

    def order(self) -> Order:
        """In what order training samples are served, once `parts` are known; for data that have one of their own."""
        return Shuffled(len(self.parts["train"]), self.seed)

    def _judge(self, samples: Samples) -> Collection[int]:
        """Which samples cannot be used; says which, or refuses them."""
        bad = samples.verify()
        found = [Oddity(samples.names[index], "unreadable", Treatment.SKIPPED, why) for index, why in bad.items()]
        self.oddities = [*samples.oddities, *found]
        if bad:
            shown = "; ".join(f"{samples.names[index]}: {why}" for index, why in list(bad.items())[:3])
            words = f"{len(bad)} of {len(samples)} images cannot be used ({shown}{'; ...' if len(bad) > 3 else ''})"
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

    def prepared(self, split: str) -> "Prepared":
        """The transformed samples of one split."""
        samples = self.open()
        views = self.views if split == "train" else None
        return Prepared(samples, self.parts[split], self.pipelines[split], self.seed, views, self.on_bad == "skip")

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
        ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = Batches(self.orders[split], self.batch_size, *ranks)
        if split == "train":
            batches.skip, self.served = self.served, 0
        return Loader(
            prepared,
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0 and split == "train",
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate,
            worker_init_fn=linger,
            generator=torch.Generator(),  # or how often workers start would decide what dropout draws
            multiprocessing_context="fork" if workers and os.name == "posix" else None,
        )


def default_workers() -> int:
    """Processes for loading: the processors left over by the one that feeds the model, at most 8."""
    return max(1, min(8, len(os.sched_getaffinity(0)) - 1))


def linger(worker: int) -> None:
    """Lets a worker outlive a first SIGTERM: it goes to all processes of a job, and the main one has a step to finish.

    torch's own handler, which is there before, ends it at once.
    """

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.alarm(GRACE)

    signal.signal(signal.SIGTERM, once)


class Loader(DataLoader[Sample]):
    """Begins an epoch when its first batch is asked for.

    Lightning makes the first iterator of a resumed run before it tells the sampler the epoch; workers would then
    prepare samples of another one.
    """

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        yield from super().__iter__()
