"""Chooses the number of worker processes from the time that a sample takes on this machine."""

import logging
import math
import time
from typing import NamedTuple

import numpy as np

from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.environment import count_usable_cores

log = logging.getLogger(__name__)
_PROBES = 8  # samples to time
_LIMIT = 0.5  # seconds to spend on it
MOST_WORKERS = 16
_CHEAP = 0.002  # seconds a batch; receiving a batch from a worker takes as long
_DEMAND = {"cuda": 4000.0, "cpu": 250.0}  # images a second that a small network processes on a device


class WorkerChoice(NamedTuple):
    """A number of workers, and what it was computed from.

    Args:
        workers: processes.
        seconds: that a sample takes.
        processors: available to this rank.
    """

    workers: int
    seconds: float
    processors: int


def choose_workers(dataset: TransformedDataset, batch_size: int, device: str, ranks: int, cached: bool) -> WorkerChoice:
    """Times a few samples and computes how many workers keep up with a small network on this device.

    The number is 0 where a batch takes no longer than receiving it from a worker, and at most the number of processors
    less the one that feeds the device.

    Args:
        dataset: whose samples are timed.
        batch_size: samples in a batch.
        device: type of the device: cuda or cpu.
        ranks: processes of this run on this machine.
        cached: samples are cached, so time the second access.
    """
    seconds, here = measure_sample_time(dataset, cached), count_processors(ranks)
    return WorkerChoice(compute_workers(seconds, batch_size, device, here), seconds, here)


def count_processors(ranks: int) -> int:
    """The number of processors for each of so many processes on this machine, at least 1."""
    return max(1, count_usable_cores() // ranks)


def compute_workers(seconds: float, batch_size: int, device: str, processors: int) -> int:
    """The number of workers for samples that take so many seconds each.

    >>> compute_workers(0.00001, 32, "cpu", 8), compute_workers(0.0013, 32, "cpu", 8)
    (0, 1)
    >>> compute_workers(0.0013, 32, "cuda", 16), compute_workers(0.1, 32, "cuda", 2)
    (6, 1)
    """
    if seconds * batch_size <= _CHEAP:
        return 0
    spare = processors - 1 if device == "cpu" else max(1, processors - 1)
    return min(math.ceil(seconds * _DEMAND.get(device, _DEMAND["cuda"])), spare, MOST_WORKERS)


def measure_sample_time(dataset: TransformedDataset, again: bool) -> float:
    """The median time of loading a sample, in seconds; with `again`, of loading it a second time."""
    begun, spent = time.perf_counter(), []
    for key in np.linspace(0, len(dataset) - 1, min(_PROBES, len(dataset))).astype(int).tolist():
        for _ in range(1 + again):
            started = time.perf_counter()
            dataset[key]
            ended = time.perf_counter()
        spent.append(ended - started)
        if ended - begun > _LIMIT:
            break
    return float(np.median(spent))
