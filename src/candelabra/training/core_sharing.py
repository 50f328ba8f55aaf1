"""How training and loading share the cores of a CPU: threads of torch and data workers, chosen together.

Each parallel region of torch waits for its last thread, so a worker that takes the core of one thread stops them all.
Either all cores train and load in turn, or some train while the others load: on two cores, all threads with a worker
beside them were never the fastest (benchmarks/threads.py).
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import lightning as L
import torch
from lightning.pytorch.utilities.seed import isolate_rng

from candelabra.config.build import PlainConfig
from candelabra.config.measurements import load_measurement
from candelabra.config.precision import fit_step_images, measure_step
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.workers import MOST_WORKERS, measure_sample_time
from candelabra.environment import count_usable_cores
from candelabra.training.precision import make_trial_step
from candelabra.training.time_limit import count_limited
from candelabra.training.trial_steps import build_trial_task, make_trial_batches

log = logging.getLogger(__name__)
_STEP_SECONDS = 0.3  # a step that is measured takes about so long
_REPEATS = 2
_GAIN = 0.95  # workers take memory; with them an image must take at most this share of the time without
_IMAGES = 2000  # that a run loads; measuring takes longer than a shorter one gains


class CoreShare(NamedTuple):
    """Threads of torch in the process that trains, and processes that load."""

    threads: int
    workers: int


@contextmanager
def share_cores(plain: PlainConfig, data: SampleDataModule, trainer: L.Trainer) -> Iterator[None]:
    """Trains within with the threads and workers that are fastest together, where `data.workers` is open on a CPU.

    Nothing is chosen for several processes, for a compiled backbone (compiled for a number of threads) and for short
    runs. The choice is kept: a run that goes on has the threads that it began with.

    Args:
        plain: config of the run, its precision and batch size resolved.
        data: what is learned from; is told the number of workers.
        trainer: of the run.
    """
    threads = torch.get_num_threads()
    single = trainer.world_size == 1 and trainer.strategy.root_device.type == "cpu" and count_usable_cores() > 1
    if single and data.workers is None and not plain.get("compile") and count_loaded_images(plain, data) >= _IMAGES:
        chosen = choose_training_share(plain, data)
        torch.set_num_threads(chosen.threads)
        data.chosen_workers = chosen.workers
    try:
        yield
    finally:
        torch.set_num_threads(threads)  # a sweep trains its next run in this process


def choose_training_share(plain: PlainConfig, data: SampleDataModule) -> CoreShare:
    """The share of cores for a run, prints it, keeps it, and leaves the random state as it was.

    Args:
        plain: see `share_cores`.
        data: what is learned from.
    """
    cores = count_usable_cores()
    precision = plain["trainer"]["precision"]
    about = [cores, precision, *(plain[key] for key in ("backbone", "task", "finetune", "data"))]

    def measure() -> dict[str, float]:
        with isolate_rng():
            step = make_trial_step(build_trial_task(plain, data), make_trial_batches(data))
            sample = measure_sample_time(data.dataset("train"), data.cached)
            timed = StepTimes(step, data.batch_size, precision)
            share = choose_core_share(timed.measure, sample, torch.get_num_threads(), cores)
        return {**share._asdict(), "step": timed.measure(share.threads), "sample": sample}

    found = load_measurement("cores", about, ["threads", "workers", "step", "sample"], measure)
    share = CoreShare(int(found["threads"]), int(found["workers"]))
    words = "data.workers=%d and threads %d chosen for %d cores: training an image takes %.1f ms, loading it %.1f ms"
    log.info(words, share.workers, share.threads, cores, 1000 * found["step"], 1000 * found["sample"])
    return share


class StepTimes:
    """Times training steps with several numbers of threads, each once.

    Args:
        step: called with a number of images.
        most: images of a step of the run.
        precision: of `trainer.precision`.
    """

    def __init__(self, step: Callable[[int], None], most: int, precision: str) -> None:
        self.step, self.precision = step, precision
        self.images = fit_step_images(step, most, _STEP_SECONDS, precision)
        self.measured: dict[int, float] = {}

    def measure(self, threads: int) -> float:
        """The seconds that training an image takes with so many threads."""
        if threads not in self.measured:
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            try:
                measure_step(self.step, self.images, self.precision)
                times = [measure_step(self.step, self.images, self.precision) for _ in range(_REPEATS)]
            finally:
                torch.set_num_threads(before)
            self.measured[threads] = min(times) / self.images
        return self.measured[threads]


def choose_core_share(measure: Callable[[int], float], sample: float, threads: int, cores: int) -> CoreShare:
    """The share with the least predicted time; all threads and no workers, where others gain little.

    Args:
        measure: number of threads -> seconds that training an image takes.
        sample: seconds that loading an image takes.
        threads: the most.
        cores: of this process and its workers.
    """
    best, step = CoreShare(threads, 0), measure(threads)
    least = _GAIN * predict_seconds(best, step, sample, cores)
    for share in list_core_shares(threads, cores):
        if step >= least:  # fewer threads take no less time
            break
        step = measure(share.threads)
        predicted = predict_seconds(share, step, sample, cores)
        if predicted < least:
            best, least = share, predicted
    return best


def list_core_shares(threads: int, cores: int) -> list[CoreShare]:
    """Shares with workers, the one with most threads first: no more threads and workers than cores.

    One thread waits for no other, so as many workers as cores may take turns with it.

    >>> [tuple(share) for share in list_core_shares(2, 2)], [tuple(share) for share in list_core_shares(16, 16)]
    ([(1, 1), (1, 2)], [(15, 1), (12, 4), (8, 8), (4, 12)])
    """
    numbers = {threads, threads - 1, threads - threads // 4, threads // 2, threads // 4} - {0}
    shares = [CoreShare(each, min(cores - each, MOST_WORKERS)) for each in sorted(numbers, reverse=True)]
    further = [CoreShare(1, min(cores, MOST_WORKERS))] if 1 in numbers else []
    return [share for share in [*shares, *further] if share.workers]


def predict_seconds(share: CoreShare, step: float, sample: float, cores: int) -> float:
    """Seconds that an image takes: in turn without workers, else as the slower of training, loading and all cores.

    Args:
        share: threads and workers.
        step: seconds that training an image takes with so many threads.
        sample: seconds that loading an image takes.
        cores: of this process and its workers.

    >>> predict_seconds(CoreShare(2, 0), 2.3, 4.0, 2), predict_seconds(CoreShare(1, 2), 3.7, 4.0, 2)
    (6.3, 3.85)
    """
    if not share.workers:
        return step + sample
    return max(step, sample / share.workers, (share.threads * step + sample) / cores)


def count_loaded_images(plain: PlainConfig, data: SampleDataModule) -> float:
    """Images that the run loads to train; infinite where nothing bounds it."""
    node = plain["trainer"]
    epochs, steps = node["max_epochs"], node["max_steps"]
    epoch = count_limited(sum(share.quota for share in data.shares), node["limit_train_batches"], data.batch_size)
    most = steps * data.batch_size * node["accumulate_grad_batches"] if steps > 0 else math.inf
    return min(most, epoch * (epochs if epochs and epochs > 0 else math.inf))
