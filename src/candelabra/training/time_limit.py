"""`minutes=10`: as many epochs as fit into a time, by timing a few steps of the task itself on this machine.

The number of epochs is known before the first step, so schedules of the learning rate reach their end; a run that is
cut off by `trainer.max_time` does not.
"""

import logging
from collections.abc import Callable
from statistics import median

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from candelabra.config.build import PlainConfig
from candelabra.config.precision import fit_step_images, measure_step
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.workers import measure_sample_time
from candelabra.errors import CandelabraError
from candelabra.optim.schedule_plan import is_frozen_run
from candelabra.tasks.task import Task
from candelabra.training.open_options import count_processes
from candelabra.training.precision import make_trial_step
from candelabra.training.trainer import make_trainer
from candelabra.training.trial_steps import build_trial_task, make_trial_batches
from candelabra.types import Sample

log = logging.getLogger(__name__)
_STEPS = 3
_STEP_SECONDS = 1.0  # a step that takes longer is timed with fewer images
_FORWARD = 0.35  # of the time of a training step: validation has no backward pass


def fit_epochs_to_minutes(plain: PlainConfig, data: SampleDataModule) -> int:
    """Chooses the epochs of a run, prints them, and leaves the random state as it was.

    Args:
        plain: config of the run, all other options resolved; `minutes` is the time for training and validation.
        data: what to learn from.

    Returns:
        Whole epochs: at most those of the config, and at least 1.

    Raises:
        CandelabraError: there are several processes, whose measurements would differ, or the run has no end.
    """
    node, most = plain["trainer"], plain["trainer"]["max_epochs"]
    typed = f"minutes={plain['minutes']:g}"
    if (processes := count_processes(node)) > 1:
        raise CandelabraError(
            f"{typed} times steps in one process, but this run has {processes}, whose clocks would differ; set epochs."
        )
    if most is None or most < 1:
        raise CandelabraError(f"{typed} bounds a number of epochs, but epochs={most}; set a number.")
    with isolate_rng():
        task = build_trial_task(plain, data)
        if is_computed_once(task, plain, data):
            log.info("%s does not shorten this run: features of the frozen backbone are computed once", typed)
            return int(most)
        seconds = measure_epoch(task, plain, data)
    fitting = int(60 * plain["minutes"] / seconds)
    if not fitting:
        log.warning(
            "one epoch takes %.1f minutes here, longer than %s; data.size, data.fraction or a smaller backbone makes "
            "it shorter",
            seconds / 60,
            typed,
        )
    chosen = min(max(fitting, 1), most)
    of = "all of them fit" if chosen == most else f"in place of {most}"
    log.info("an epoch takes about %.1f s here, %s: epochs %d, %s", seconds, typed, chosen, of)
    return int(chosen)


def is_computed_once(task: Task, plain: PlainConfig, data: SampleDataModule) -> bool:
    """Whether the backbone sees each image once, so that the time of a step says little about an epoch."""
    repeated = data.dataset("train").versions is not None and not data.batchwise
    frozen = is_frozen_run(task.finetune, plain["trainer"]["max_epochs"], len(task.backbone.stages))
    return frozen and repeated and bool(plain["cache"]["gigabytes"])


def measure_epoch(task: Task, plain: PlainConfig, data: SampleDataModule) -> float:
    """The seconds that an epoch is expected to take, with loading and validation.

    Args:
        task: one of its own, which is moved to the device of the run.
        plain: config of the run.
        data: what to learn from.
    """
    node = plain["trainer"]
    device = make_trainer(
        {**node, "precision": "32-true"}, logger=False, enable_checkpointing=False
    ).strategy.root_device
    make_batch = make_trial_batches(data)
    task.to(device)

    def make_moved_batch(images: int) -> Sample:
        return {key: value.to(device) for key, value in make_batch(images).items()}

    image = measure_image(make_trial_step(task, make_moved_batch), data.batch_size, device, node["precision"])
    read = measure_sample_time(data.dataset("train"), again=False)
    counts = {
        "train": count_limited(sum(share.quota for share in data.shares), node["limit_train_batches"], data.batch_size),
        "val": count_limited(len(data.parts["val"]), node["limit_val_batches"], data.batch_size),
    }
    val = counts["val"] / (node["check_val_every_n_epoch"] or 1)
    return counts["train"] * (image + read) + val * (_FORWARD * image + read)


def measure_image(step: Callable[[int], None], most: int, device: torch.device, precision: str) -> float:
    """The seconds that a training step takes for each image of a batch.

    Args:
        step: called with a number of images.
        most: images of a step of the run.
        device: on which it runs.
        precision: of `trainer.precision`.
    """
    images = fit_step_images(step, most, _STEP_SECONDS, precision, device)
    return median(measure_step(step, images, precision, device) for _ in range(_STEPS)) / images


def count_limited(images: int, limit: float | None, batch_size: int) -> float:
    """Images of a split of which Lightning's trainer takes a number of batches, a share, or all."""
    limit = 1.0 if limit is None else limit
    return min(images, limit * batch_size) if isinstance(limit, int) else images * limit
