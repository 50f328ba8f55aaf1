"""A task and images of its data for a few steps that measure something: memory, speed."""

from candelabra.config.build import PlainConfig
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.tasks.loading import build_task
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SAMPLES = 8  # different ones in a batch that is tried


def load_trial_samples(data: SampleDataModule) -> list[Sample]:
    """Some training images of one shape."""
    prepared = data.dataset("train")
    samples = [prepared[place] for place in data.spread_positions("train", _SAMPLES)]
    return [sample for sample in samples if sample["image"].shape == samples[0]["image"].shape]


def build_trial_task(plain: PlainConfig, data: SampleDataModule) -> Task:
    """A task of its own in training mode, as in the epoch in which most of the backbone learns."""
    task = build_task(plain, data.labels).train()
    stages, epochs = len(task.backbone.stages), max(1, plain["trainer"]["max_epochs"] or 1)
    frozen = min(task.finetune.frozen_stages(epoch, epochs, stages) for epoch in range(epochs))
    task.backbone.freeze(frozen, task.finetune.keep_statistics, task.finetune.kinds)
    return task
