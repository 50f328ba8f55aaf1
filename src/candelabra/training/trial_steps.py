"""A task and images of its data for a few steps that measure something: memory, speed."""

from collections.abc import Callable
from itertools import cycle, islice

from candelabra.config.build import PlainConfig
from candelabra.data.loading.loader import collate_samples
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.optim.schedule_plan import count_frozen_stages
from candelabra.tasks.loading import build_task
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SAMPLES = 8  # different ones in a batch that is tried


def make_trial_batches(data: SampleDataModule) -> Callable[[int], Sample]:
    """Returns a function: number of images -> a batch of them, from a few training images of one shape."""
    prepared = data.dataset("train")
    samples = [prepared[place] for place in data.spread_positions("train", _SAMPLES)]
    samples = [sample for sample in samples if sample["image"].shape == samples[0]["image"].shape]
    return lambda images: collate_samples([*islice(cycle(samples), images)], data.labels)


def build_trial_task(plain: PlainConfig, data: SampleDataModule) -> Task:
    """A task of its own in training mode, as in the epoch in which most of the backbone learns."""
    task = build_task(plain, data.labels).train()
    stages, epochs = len(task.backbone.stages), max(1, plain["trainer"]["max_epochs"] or 1)
    frozen = count_frozen_stages(task.finetune, epochs, stages)
    task.backbone.freeze(frozen, task.finetune.keep_statistics, task.finetune.kinds)
    return task
