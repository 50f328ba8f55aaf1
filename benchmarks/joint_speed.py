"""Speed of one joint model compared with one model per head; see `benchmarks.joint`."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from candelabra.tasks import Task
from candelabra.tasks.loading import load_task
from candelabra.types import Sample

BATCHES = (1, 32)
WARM = 3  # passes that do not count


@dataclass(frozen=True)
class Speed:
    """Of one kind of work on batches of one size.

    Attributes:
        name: of the work.
        joint, single: median milliseconds a batch; `single` is the sum over the models.
        ratio: the median of joint / single over repetitions.
    """

    name: str
    joint: float
    single: float
    ratio: float


def measure(joint: Path, single: Sequence[Path], size: int, repetitions: int) -> tuple[list[Speed], str]:
    """Times predictions and training steps of runs in turn, so that a drift of the machine meets all of them.

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
        works = [partial(once, task, images, bf16) for task in tasks]
        found.append(in_turn(f"prediction, decoded, batch {batch}", works, repetitions))
    works = [partial(learn, task.train(), _labelled(images), bf16, AdamW(task.parameters(), 1e-6)) for task in tasks]
    found.append(in_turn(f"training step, all labelled, batch {BATCHES[-1]}", works, repetitions))
    return found, f"{size} pixels, {node['precision']}, on a {'GPU' if cuda else 'CPU'}"


def in_turn(name: str, works: Sequence[Callable[[], float]], repetitions: int) -> Speed:
    """The first work against all others together."""
    for _ in range(WARM):
        times = [work() for work in works]
    rows = []
    for repetition in range(repetitions):
        order = range(len(works)) if repetition % 2 else reversed(range(len(works)))
        times = [0.0] * len(works)
        for index in order:
            times[index] = works[index]()
        rows.append((times[0], sum(times[1:])))
    ratio = statistics.median(one / all_of_them for one, all_of_them in rows)
    medians = [1000 * statistics.median(column) for column in zip(*rows, strict=True)]
    return Speed(name, medians[0], medians[1], ratio)


def once(task: Task, images: Tensor, bf16: bool) -> float:
    """Seconds of one pass, decoding included."""
    device = images.device.type
    begun = time.perf_counter()
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
        task.predictions(images)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def learn(task: Task, batch: Sample, bf16: bool, optimizer: Optimizer) -> float:
    """Seconds of one training step; the backbone learns as its strategy says."""
    device = batch["image"].device.type
    task.backbone.freeze(0, task.finetune.keep_statistics, task.finetune.kinds)
    begun = time.perf_counter()
    with torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
        loss = task.training_step(batch, 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _labelled(images: Tensor) -> Sample:
    """With a class, a box and a mask each."""
    count, _, side, _ = images.shape
    box = torch.tensor([[0.2, 0.2, 0.6, 0.7]], device=images.device) * side
    label = torch.zeros(count, dtype=torch.int64, device=images.device)
    return {"image": images, "label": label, "box": box.repeat(count, 1), "mask": (images[:, 0] > 127).to(torch.uint8)}


def table(speeds: Sequence[Speed]) -> str:
    """In Markdown."""
    rows = ["| | joint, ms | one model per head, ms | ratio |", "|---|---|---|---|"]
    rows += [f"| {one.name} | {one.joint:.1f} | {one.single:.1f} | {one.ratio:.2f} |" for one in speeds]
    return "\n".join(rows)
