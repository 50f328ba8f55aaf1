"""Threads of torch by data workers: images a second of training, and how close the chosen pair comes to the best."""

import random
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.loading import photographs
from benchmarks.overhead import WARM, by_candelabra
from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import DataModule, Folder
from candelabra.data.loading.workers import measure_sample_time
from candelabra.environment import count_usable_cores, keep_freed_memory
from candelabra.finetuning import Full
from candelabra.tasks import Classification
from candelabra.training.core_sharing import CoreShare, StepTimes, choose_core_share, list_core_shares
from candelabra.training.precision import make_trial_step
from candelabra.training.trial_steps import make_trial_batches

BATCH = 16


class Case(NamedTuple):
    """A network, the side of its images, the size of the files, and how many steps are timed."""

    network: str
    size: int
    file: tuple[int, int]
    steps: int


CASES = (
    Case("test_resnet", 96, (500, 375), 40),
    Case("test_resnet", 96, (2000, 1500), 24),
    Case("tf_efficientnet_lite0", 96, (500, 375), 16),
    Case("tf_efficientnet_lite0", 96, (2000, 1500), 16),
    Case("resnet18", 160, (500, 375), 10),
)


def open_data(root: Path, size: int, workers: int) -> DataModule:
    """Photographs, augmented as `data.augment=light` does."""
    return DataModule(Folder(root=str(root)), size=size, batch_size=BATCH, workers=workers, val=0.05, test=0.05)


def choose(case: Case, root: Path, cores: int) -> CoreShare:
    """What a run of this case takes."""
    data = open_data(root, case.size, 0)
    task = Classification(Timm(case.network, weights="none"), data.labels, finetune=Full())
    times = StepTimes(make_trial_step(task.train(), make_trial_batches(data)), BATCH, "32-true")
    sample = measure_sample_time(data.dataset("train"), again=False)
    return choose_core_share(times.measure, sample, torch.get_num_threads(), cores)


def measure_case(case: Case, root: Path, runs: int, rows: dict[str, list[float]]) -> float:
    """Adds a row for each pair, and returns the chosen one's share of the fastest."""
    cores = count_usable_cores()
    torch.set_num_threads(cores)
    chosen = choose(case, root, cores)
    shares = sorted(
        {CoreShare(cores, 0), CoreShare(cores, 1), CoreShare(cores, cores), *list_core_shares(cores, cores)}
    )
    speeds: dict[CoreShare, list[float]] = {share: [] for share in shares}
    for _ in range(runs):
        for share in random.sample(shares, len(shares)):
            torch.set_num_threads(share.threads)
            data = open_data(root, case.size, share.workers)
            seconds = by_candelabra(case.network, data.train_dataloader(), case.steps, data.labels, "32-true")
            speeds[share].append(BATCH / seconds)
    for share, values in speeds.items():
        mark = ", chosen" if share == chosen else ""
        pair = f"threads {share.threads}, workers {share.workers}"
        rows[f"{case.network} {case.size} of {case.file[0]} x {case.file[1]}, {pair}{mark}: images/s"] = values
    medians = {share: statistics.median(values) for share, values in speeds.items()}
    return medians[chosen] / max(medians.values())


def main() -> None:
    """All cases."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    keep_freed_memory()  # as the command line does
    rows: dict[str, list[float]] = {}
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            Timm(case.network, weights="none")  # imports are not timed
            count = int(BATCH * (case.steps + WARM + 2) / 0.9)
            root = photographs(Path(folder) / f"{number}", case.file, count, None)
            shares.append(measure_case(case, root, given.runs, rows))
    report("training: threads and workers", rows, ("smallest_share_of_the_best", min(shares)), given.json)


if __name__ == "__main__":
    main()
