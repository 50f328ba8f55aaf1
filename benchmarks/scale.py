"""Cost as the work grows: rows, classes, heads, jobs of a sweep, processes. Nothing may grow faster than the work.

Rows: seconds to open a table, memory that this adds, seconds to the first batch, each in a process of its own; the
images are hard links. Classes and heads: milliseconds of a training step of a tiny network, after the first ones. Jobs:
what reading a sweep of so many finished jobs takes, and recording one more. Processes: a training step of resnet18 with
the same images in each, one thread each, and the exchange of its gradients alone; from both, `model_step` says what
more processes take.
"""

import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import timm
import torch
import torch.distributed as dist
from PIL import Image
from rich.console import Console
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import DataModule, Table
from candelabra.finetuning import Full
from candelabra.heads import Label
from candelabra.sweeps.folder import open_sweep
from candelabra.sweeps.status import print_status
from candelabra.tasks import MultiTask
from candelabra.tasks.masked_losses import find_labels
from hydra_plugins.candelabra_sweeper.jobs import Job, State, Sweep, write_job, write_sweep
from tests.data.builders import make_labels

ROWS = [1_000, 10_000, 100_000, 1_000_000]
CLASSES = (10, 100, 1000, 10_000)
HEADS = (1, 2, 4, 8, 16)
JOBS = (10, 100, 1000, 10_000)
PROCESSES = (1, 2)
MODELLED = (2, 4, 8, 16, 32, 64)
Rows = dict[str, list[float]]
_LINKS = 60_000  # of one file; most file systems allow 65,000


def write_table(folder: Path, rows: int) -> None:
    """A table of so many images, with 1,000 classes, or 20 images of each."""
    names = []
    for number in range(rows):
        part = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            part.mkdir(parents=True)
        first = folder / f"{number // _LINKS}.jpg"
        if not first.exists():
            Image.new("RGB", (64, 64), (number % 255, 0, 0)).save(first)
        os.link(first, part / f"{number}.jpg")
        names.append(f"{part.name}/{number}.jpg,class{number % min(1000, rows // 20)}")
    (folder / "table.csv").write_text("\n".join(["image,label", *names]))


def open_table(folder: Path) -> dict[str, float]:
    """Seconds and megabytes that a table takes in this process."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    data = DataModule(Table(root=str(folder)), size=64, workers=0, batch_size=32)
    data.open()
    opened = time.perf_counter()
    next(iter(data.train_dataloader()))
    first = time.perf_counter()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"open, s": opened - begun, "first batch, s": first - opened, "memory, MB": grown / 1024}


def time_step(classes: int, heads: int, runs: int) -> float:
    """Milliseconds of a training step of so many heads of so many classes each."""
    labels = make_labels(tuple(map(str, range(classes))))
    task = MultiTask(
        Timm("test_resnet", weights="none"),
        labels,
        {f"head{number}": Label for number in range(heads)},
        finetune=Full(),
    )
    image = torch.randint(0, 256, (32, 3, 32, 32), dtype=torch.uint8)
    batch = find_labels({"image": image, "label": torch.randint(0, classes, (32,))}, task.named_heads())
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4, fused=True)
    spent = []
    for _ in range(3 + runs):
        begun = time.perf_counter()
        optimizer.zero_grad()
        task.training_step(dict(batch), 0).backward()
        optimizer.step()
        spent.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spent[3:])


def time_jobs(count: int, folder: Path) -> dict[str, float]:
    """What a sweep of so many finished jobs costs: to read it and show its best jobs, and to record another one."""
    objectives = {"val/score": "maximize"}
    write_sweep(Sweep(["candelabra"], ["-m", "sweep=tpe", "lr=tag(log)"], objectives, "tpe", "one", None), folder)
    jobs = [
        Job(number, [f"lr={number}"], str(folder / str(number)), State.FINISHED, {"val/score": number / count})
        for number in range(count)
    ]
    for job in jobs:
        write_job(job, folder)
    begun = time.perf_counter()
    print_status(open_sweep(folder), 10, Console(file=io.StringIO()))
    read = time.perf_counter()
    write_job(replace(jobs[0], number=count), folder)
    return {"read, s": read - begun, "record, ms": (time.perf_counter() - read) * 1000}


def model_step(alone: float, exchange: float, processes: int) -> float:
    """The milliseconds of a step of n processes where nothing of the exchange is hidden behind the backward pass.

    A ring sends 2 (n - 1) / n of the gradients through each link (Patarasu & Yuan 2009): of two processes, all of them
    once. Latency is left out: it counts where gradients are small or links are slow to start.

    Args:
        alone: milliseconds of a step of one process.
        exchange: milliseconds in which two processes exchange its gradients.
        processes: n.

    >>> model_step(100.0, 10.0, 2), model_step(100.0, 10.0, 64)
    (110.0, 119.6875)
    """
    return alone + exchange * 2 * (processes - 1) / processes


def time_process(rank: int, processes: int, folder: str, runs: int) -> None:
    """Writes the milliseconds of a step of one of several processes, and of its exchange of gradients, to a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet{processes}", rank=rank, world_size=processes)
    network = DistributedDataParallel(timm.create_model("resnet18", num_classes=10))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    images, spent, exchanged = torch.rand(16, 3, 96, 96), [], []
    gradients = torch.rand(sum(parameter.numel() for parameter in network.parameters()))
    for _ in range(3 + runs):
        begun = time.perf_counter()
        optimizer.zero_grad()
        network(images).sum().backward()
        optimizer.step()
        stepped = time.perf_counter()
        dist.all_reduce(gradients)
        spent.append((stepped - begun) * 1000)
        exchanged.append((time.perf_counter() - stepped) * 1000)
    medians = [statistics.median(each[3:]) for each in (spent, exchanged)]
    Path(folder, f"{processes}-{rank}").write_text(json.dumps(medians))
    dist.destroy_process_group()


def measure_rows(counts: Sequence[int]) -> Rows:
    """Opens a table of so many rows in a process of its own."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            write_table(Path(folder, str(count)), count)
            child = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", "--open", str(Path(folder, str(count)))]
            told = subprocess.run(child, check=True, capture_output=True, text=True).stdout.split("TOOK")[1]
            rows |= {f"{count:,} rows: {name}": [value] for name, value in json.loads(told).items()}
    return rows


def measure_steps(runs: int) -> Rows:
    """Steps of tasks of more and more classes, and heads."""
    rows: Rows = {f"{classes:,} classes: a step, ms": [time_step(classes, 1, runs)] for classes in CLASSES}
    return rows | {f"{heads} heads: a step, ms": [time_step(100, heads, runs)] for heads in HEADS}


def measure_jobs() -> Rows:
    """Sweeps of more and more jobs."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for jobs in JOBS:
            found = time_jobs(jobs, Path(folder, str(jobs)))
            rows |= {f"{jobs:,} jobs: {name}": [value] for name, value in found.items()}
    return rows


def measure_processes(runs: int) -> Rows:
    """Steps of one process and of two, and those of more by the model."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for processes in PROCESSES:
            start_processes(time_process, (processes, folder, runs), processes)
            step, exchange = json.loads(Path(folder, f"{processes}-0").read_text())
            rows[f"processes, {processes}: a step, ms"] = [step]
            rows[f"processes, {processes}: its gradients alone, ms"] = [exchange]
    alone = rows["processes, 1: a step, ms"][0]
    return rows | {f"processes, {n}: a step by the model, ms": [model_step(alone, exchange, n)] for n in MODELLED}


def main() -> None:
    """All of them; or, as a child, the opening of one table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=ROWS, help="0 for none")
    arguments.add_argument("--runs", type=int, default=20, help="counted steps")
    arguments.add_argument("--open", type=Path, help="open the table of this folder, and print what it took")
    given = arguments.parse_args()
    if given.open:
        print("TOOK", json.dumps(open_table(given.open)))
        return
    rows = measure_rows(given.rows) if any(given.rows) else {}
    rows |= measure_steps(given.runs) | measure_jobs() | measure_processes(given.runs)
    figure = rows.get(f"{given.rows[-1]:,} rows: open, s", [0.0])[0]
    report("cost as the work grows", rows, ("seconds_to_open", figure), given.json)


if __name__ == "__main__":
    main()
