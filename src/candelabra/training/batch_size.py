"""`data.batch_size=auto`: by the number of images on a CPU, and the largest batch that fits on a GPU."""

import gc
import logging

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from candelabra.config.build import PlainConfig
from candelabra.config.precision import AUTOCAST_TYPES
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.errors import CandelabraError
from candelabra.optim.parameter_groups import make_optimizer
from candelabra.tasks.task import Task
from candelabra.training.trainer import make_trainer
from candelabra.training.trial_steps import build_trial_task, make_trial_batches
from candelabra.types import Sample

log = logging.getLogger(__name__)
_STEPS = 20  # an epoch, at least
_SMALLEST = 8
_LARGEST = {"cpu": 32, "cuda": 1024}  # larger batches are not faster on a CPU
_MEMORY_SHARE = 0.85  # of a GPU: fragments and averaged weights take some too


def find_batch_size(plain: PlainConfig, data: SampleDataModule) -> int:
    """Chooses a power of two, prints it, and leaves the random state as it was.

    At most 32 on a CPU and 1024 on a GPU, and so that an epoch has at least 20 steps; 8 where that leaves less. On a
    GPU, two training steps with a task of its own must fit into 85 % of the memory.

    Args:
        plain: config of the run; its batch size is not read.
        data: what to learn from.

    Raises:
        CandelabraError: there are several devices, or even one image does not fit.
    """
    node = plain["trainer"]
    if node["devices"] not in (1, "1", "auto") or node["num_nodes"] != 1:
        raise CandelabraError(
            f"data.batch_size=auto tries batches on one device, but trainer.devices={node['devices']} and "
            f"trainer.num_nodes={node['num_nodes']}; set data.batch_size to a number."
        )
    plainest = {**node, "devices": 1, "precision": "32-true"}
    device = make_trainer(plainest, logger=False, enable_checkpointing=False).strategy.root_device
    images = sum(share.images for share in data.shares)
    most = compute_largest_batch(images, device.type)
    found = most if device.type != "cuda" else find_fitting_size(plain, data, device, most)
    rule = f"the largest power of two from {_SMALLEST} to {_LARGEST.get(device.type, _LARGEST['cpu'])}"
    fits = " and fits" if device.type == "cuda" else ""
    words = "data.batch_size=%d chosen on %s for %d training images: %s that makes %d steps an epoch%s, else %d"
    log.info(words, found, device.type, images, rule, _STEPS, fits, _SMALLEST)
    return found


def compute_largest_batch(images: int, device: str) -> int:
    """The largest power of two that makes at least 20 steps an epoch, from 8 to 32 on a CPU and to 1024 on a GPU.

    >>> compute_largest_batch(100, "cpu"), compute_largest_batch(400, "cpu"), compute_largest_batch(10**6, "cuda")
    (8, 16, 1024)
    """
    size = _LARGEST.get(device, _LARGEST["cpu"])
    while size > _SMALLEST and size * _STEPS > images:
        size //= 2
    return size


def find_fitting_size(plain: PlainConfig, data: SampleDataModule, device: torch.device, most: int) -> int:
    """The largest power of two up to `most` whose training steps fit into the memory of a GPU.

    Args:
        plain: config of the run.
        data: what to learn from.
        device: the GPU.
        most: the last that is tried.

    Raises:
        CandelabraError: not even one image fits.
    """
    make_batch = make_trial_batches(data)
    with isolate_rng():
        task = build_trial_task(plain, data).to(device)
        found, size = 0, 1
        while size <= most and _try_steps(task, make_batch(size), device, plain["trainer"]["precision"]):
            found, size = size, 2 * size
        del task
        _free_memory()
    if not found:
        raise CandelabraError(
            "data.batch_size=auto: not even one image fits into the memory of the GPU; set a smaller data.size, or "
            "take a smaller backbone."
        )
    return found


def _try_steps(task: Task, batch: Sample, device: torch.device, precision: str) -> bool:
    """Whether two training steps of this batch fit."""
    optimizer = make_optimizer(task.optimizer, task.parameter_groups())
    torch.cuda.reset_peak_memory_stats(device)
    dtype = AUTOCAST_TYPES.get(precision)
    try:
        moved = {key: value.to(device) for key, value in batch.items()}
        for _ in range(2):
            with torch.autocast(device.type, dtype or torch.float16, enabled=dtype is not None):
                loss = task.training_step(dict(moved), 0)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        peak = torch.cuda.max_memory_reserved(device)
    except torch.OutOfMemoryError:
        return False
    finally:
        del optimizer
        task.zero_grad()
        task.batch = task.balance_state = None
        _free_memory()
    return bool(peak <= _MEMORY_SHARE * torch.cuda.get_device_properties(device).total_memory)


def _free_memory() -> None:
    """Returns cached memory to the GPU, so that a try leaves no fragments to the next."""
    gc.collect()
    torch.cuda.empty_cache()
