"""How many processes prepare samples: as many as the device can use, by how long a sample takes here."""

import logging
import math
import time
from typing import NamedTuple

import numpy as np

from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.environment import count_usable_cores

log = logging.getLogger(__name__)
_PROBES = 8  # samples that are timed
_LIMIT = 0.5  # seconds for that
_MOST = 16
_CHEAP = 0.002  # seconds a batch; to receive one from a worker takes as long
_DEMAND = {"cuda": 4000.0, "cpu": 250.0}  # images a second that a device eats of a small network


class WorkerChoice(NamedTuple):
    """A number of workers, and why."""

    workers: int
    seconds: float  # that a sample takes
    processors: int  # of this rank


def choose_workers(
    prepared: TransformedDataset, batch_size: int, device: str, ranks: int, cached: bool
) -> WorkerChoice:
    """Times a few samples, and gives as many workers as keep up with a fast network on this device.

    None where a whole batch takes no longer than receiving it from a worker; never more than there are processors
    beside the one that feeds the device.

    Args:
        prepared: whose samples.
        batch_size: samples in a batch.
        device: cuda or cpu.
        ranks: processes of this run on this machine.
        cached: a sample that comes again takes less; that is what counts.
    """
    seconds, here = measure_sample_time(prepared, cached), count_processors(ranks)
    return WorkerChoice(workers_for(seconds, batch_size, device, here), seconds, here)


def count_processors(ranks: int) -> int:
    """Processors that each of so many processes of this machine has to itself."""
    return max(1, count_usable_cores() // ranks)


def workers_for(seconds: float, batch_size: int, device: str, processors: int) -> int:
    """Workers for samples that take so many seconds each.

    >>> workers_for(0.00001, 32, "cpu", 8), workers_for(0.0013, 32, "cpu", 8)
    (0, 1)
    >>> workers_for(0.0013, 32, "cuda", 16), workers_for(0.1, 32, "cuda", 2)
    (6, 1)
    """
    if seconds * batch_size <= _CHEAP:
        return 0
    spare = processors - 1 if device == "cpu" else max(1, processors - 1)
    return min(math.ceil(seconds * _DEMAND.get(device, _DEMAND["cuda"])), spare, _MOST)


def measure_sample_time(prepared: TransformedDataset, again: bool) -> float:
    """Median seconds that a sample takes: the first time, or again."""
    begun, spent = time.perf_counter(), []
    for key in np.linspace(0, len(prepared) - 1, min(_PROBES, len(prepared))).astype(int).tolist():
        for _ in range(1 + again):
            started = time.perf_counter()
            prepared[key]
            ended = time.perf_counter()
        spent.append(ended - started)
        if ended - begun > _LIMIT:
            break
    return float(np.median(spent))
