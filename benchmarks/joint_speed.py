"""Inference of one joint model against one model a head, side by side; see `benchmarks.joint`."""

import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from candelabra.run import load_task
from candelabra.tasks import Task

BATCHES = (1, 32)
WARM = 3  # passes that do not count


@dataclass(frozen=True)
class Speed:
    """Of batches of one size.

    Attributes:
        batch: images at once.
        joint, single: median milliseconds a batch; `single` is the sum over the models.
        ratio: the median of joint / single over repetitions.
    """

    batch: int
    joint: float
    single: float
    ratio: float


def measure(joint: Path, single: Sequence[Path], size: int, repetitions: int) -> tuple[list[Speed], str]:
    """Times predictions of trained runs in turn, so that a drift of the machine meets all of them.

    Returns the speeds, and in words what they were measured under.

    Args:
        joint: folder of a run with all heads.
        single: of runs with one head each.
        size: side of the images, in pixels.
        repetitions: of each batch size.
    """
    tasks = [load_task(folder) for folder in (joint, *single)]
    node = tasks[0].recipe["config"]["trainer"]
    cuda = node["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    bf16 = str(node["precision"]).startswith("bf16")
    for task in tasks:
        task.to(device, memory_format=torch.channels_last)
    found = []
    for batch in BATCHES:
        images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        for _ in range(WARM):
            times = [once(task, images, bf16) for task in tasks]
        rows = []
        for repetition in range(repetitions):
            order = range(len(tasks)) if repetition % 2 else reversed(range(len(tasks)))
            times = [0.0] * len(tasks)
            for index in order:
                times[index] = once(tasks[index], images, bf16)
            rows.append((times[0], sum(times[1:])))
        ratio = statistics.median(one / all_of_them for one, all_of_them in rows)
        medians = [1000 * statistics.median(column) for column in zip(*rows, strict=True)]
        found.append(Speed(batch, medians[0], medians[1], ratio))
    return found, f"{size} pixels, {node['precision']}, on a {'GPU' if cuda else 'CPU'}"


def once(task: Task, images: Tensor, bf16: bool) -> float:
    """Seconds of one pass, decoding included."""
    device = images.device.type
    begun = time.perf_counter()
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
        task.predictions(images)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def table(speeds: Sequence[Speed]) -> str:
    """In Markdown."""
    rows = ["| batch | joint, ms | one model a head, ms | ratio |", "|---|---|---|---|"]
    rows += [f"| {one.batch} | {one.joint:.1f} | {one.single:.1f} | {one.ratio:.2f} |" for one in speeds]
    return "\n".join(rows)
