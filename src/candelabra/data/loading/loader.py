"""The loader of batches, and the lifetime of its workers."""

import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, cast

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from candelabra.data.sampling.train_order import BatchOrder
from candelabra.data.targets import Labels
from candelabra.data.transforms.batch_transforms import BatchTransforms
from candelabra.environment import choose_start_method
from candelabra.types import Sample

_GRACE = 30  # seconds until a worker ends after a signal


def survive_sigterm(worker: int) -> None:
    """Makes a worker survive the first SIGTERM, which all processes of a job get: the main one has to finish its step.

    torch sets its own handler when a worker starts, so this one must be set in `worker_init_fn`.
    """

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.alarm(_GRACE)

    signal.signal(signal.SIGTERM, once)


def collate_samples(samples: Sequence[Sample], labels: Labels | None = None) -> Sample:
    """Collates samples into a batch with images in channels-last memory: decoders write it and backbones prefer it.

    Args:
        samples: transformed.
        labels: their targets; null where no value is ragged.
    """
    ragged = {name: target for name, target in (labels or {}).items() if target.ragged and name in samples[0]}
    turned = [
        {key: value for key, value in sample.items() if key not in ragged} | {"image": sample["image"].permute(1, 2, 0)}
        for sample in samples
    ]
    if any("colours" in sample for sample in samples):  # the sets of a union may differ in augmentation
        turned = [{"colours": torch.ones(3), **sample} for sample in turned]
    batch: Any = default_collate(turned)  # copies large contiguous pieces only
    batch["image"] = batch["image"].permute(0, 3, 1, 2)
    filled = {name: target.collate([sample[name] for sample in samples]) for name, target in ragged.items()}
    return cast(Sample, {**batch, **filled})


class BatchLoader(DataLoader[Sample]):
    """Starts its workers when the first batch of an epoch is requested.

    Lightning creates the first iterator of a resumed run before it calls `set_epoch`; workers that start at once would
    prepare samples of epoch 0.
    """

    batchwise: BatchTransforms | None = None  # transforms of its batches

    def __iter__(self) -> Iterator[Sample]:  # type: ignore[override]
        if self.batchwise is None:
            yield from super().__iter__()
            return
        batches = cast(BatchOrder, self.batch_sampler)
        epoch, first = batches.epoch, batches.skip
        for number, batch in enumerate(super().__iter__(), first):
            yield self.batchwise(batch, epoch, number)


def make_batch_loader(
    dataset: Dataset[Sample],
    batches: BatchOrder,
    workers: int,
    collate: Callable[[Any], Any],
    persistent: bool,
    batchwise: BatchTransforms | None,
    pin: bool,
) -> BatchLoader:
    """A loader whose batches are a function of the order alone, however many workers make them.

    Args:
        dataset: whose samples.
        batches: the keys of each batch.
        workers: processes that prepare batches; 0 for none.
        collate: samples -> batch.
        persistent: workers live on for the next epoch.
        batchwise: transforms of whole batches, if any.
        pin: batches lie in pinned memory, from which a GPU copies them while it computes.
    """
    loader = BatchLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0 and persistent,
        pin_memory=pin,
        collate_fn=collate,
        worker_init_fn=survive_sigterm,
        # By default a DataLoader draws from torch's global generator whenever its workers start, so dropout would
        # depend on data.workers.
        generator=torch.Generator(),
        multiprocessing_context=choose_start_method(workers),
    )
    loader.batchwise = batchwise or None  # not in the constructor, which Lightning calls again with DataLoader's own
    return loader
