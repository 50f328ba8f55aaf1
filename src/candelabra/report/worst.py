"""Show the samples of a split that a task gets most wrong."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.report.pictures import draw_grid, predict_samples
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SHOWN = 12  # images in worst.png


def write_worst(task: Task, data: SampleDataModule, split: str, losses: Mapping[str, Tensor], folder: Path) -> None:
    """Write losses.csv, all samples with their losses, and pictures/worst.png; the largest loss comes first.

    The loss of a sample is the sum of the losses of its heads, times the constant factors of the balance, as in
    `<split>/loss`. Samples without a label come last, and are not drawn.

    Args:
        task: that was measured.
        data: set up.
        split: that was measured.
        losses: by head, (n,) of the first n samples of `data.dataset(split)`; NaN where one has no label for the head.
        folder: for the files.
    """
    each = torch.stack([losses[name] for name in task.heads], dim=1)
    joint = (each.nan_to_num() * task.balance.constant.cpu()).sum(1)
    labelled = ~each.isnan().all(1)
    order = [int(row) for row in torch.where(labelled, joint, -torch.inf).argsort(descending=True, stable=True)]
    indices = data.parts[split][: len(joint)]
    places = {int(index): one for one in SPLITS for index in data.parts[one]}
    names = [data.open().names[int(index)] for index in indices]
    with (folder / "losses.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["image", "split", "loss", *(f"{name}/loss" for name in task.heads)])
        for row in order:
            cells = [joint[row] if labelled[row] else torch.tensor(torch.nan), *each[row]]
            numbers = ["" if bool(cell.isnan()) else f"{float(cell):.6g}" for cell in cells]
            table.writerow([names[row], places[int(indices[row])], *numbers])
    shown = [row for row in order if labelled[row]][:_SHOWN]
    if not shown:
        return
    prepared = data.dataset(split)
    samples = [prepared[row] for row in shown]
    found = predict_samples(task, samples)
    errors = [_describe_errors(task, *each) for each in zip(samples, found, strict=True)]
    titles = [
        f"loss {float(joint[row]):.3g}  {Path(names[row]).name if words else names[row]}  {words}".rstrip()
        for row, words in zip(shown, errors, strict=True)
    ]
    draw_grid(samples, found, data.labels, folder / "pictures" / "worst.png", task.head_targets, titles=titles)


def _describe_errors(task: Task, sample: Sample, found: Mapping[str, Tensor]) -> str:
    """What is wrong in the predictions of all heads, in words."""
    values = cast(Mapping[str, Tensor], sample)
    words = [head.describe_errors(found[name], values[head.target]) for name, head in task.named_heads()]
    return "; ".join(word for word in words if word)
