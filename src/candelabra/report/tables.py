"""Print tables of labels, results and classes."""

import csv
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from rich.table import Table
from torch import Tensor

from candelabra.data.decoding.paths import escape_path
from candelabra.data.issue_lines import list_issue_lines
from candelabra.data.issues import IssueTreatment
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import ALL_SPLITS, SPLITS
from candelabra.errors import CandelabraError
from candelabra.report.consoles import make_console
from candelabra.runs.head_metrics import HeadSummaries, is_count, list_metric_notes
from candelabra.tasks.transfer import TransferredPart

log = logging.getLogger(__name__)
_REASONS = 5  # kinds of issues that an error quotes


def count_labels(data: SampleDataModule, wanted: Collection[str] = ()) -> dict[str, dict[str, int]]:
    """Print how many images of each split have each target, and what is odd in the data, a line for each kind.

    With several data sets, print their shares of an epoch too.

    Args:
        data: set up; its images are not read.
        wanted: targets that some training image must have.

    Returns:
        Counts by split, then by target.

    Raises:
        CandelabraError: no training image has a wanted target.
    """
    samples = data.open()
    known = samples.labelled()
    counts = {
        split: {"images": len(data.parts[split]), **{t: int(known[t][data.parts[split]].sum()) for t in known}}
        for split in SPLITS
    }
    table = Table("split", *counts["train"], title="labelled images")
    for split, row in counts.items():
        table.add_row(split, *(str(number) for number in row.values()))
    print_on_rank_zero = rank_zero_only(make_console().print)
    print_on_rank_zero(table)
    if len(data.shares) > 1:
        print_on_rank_zero(print_mixture(data))
    doubted = [each for each in data.issues if each.treatment is IssueTreatment.DOUBTED]
    for line in list_issue_lines(each for each in data.issues if each.treatment is not IssueTreatment.DOUBTED):
        print_on_rank_zero(escape_path(line), markup=False, highlight=False)
    for line in list_issue_lines(doubted):
        log.warning("%s", escape_path(line))
    for target, number in counts["train"].items():
        if not number and target in wanted:
            reasons = " ".join(list_issue_lines(data.issues)[:_REASONS])
            raise CandelabraError(
                f"No training image has a {target}; label some, or leave out its head (task.heads.{target}=null)."
                + (f" Odd in the data: {escape_path(reasons)}" if reasons else "")
            )
    return counts


def print_mixture(data: SampleDataModule) -> Table:
    """Return a table of the images that each data set contributes to a training epoch."""
    table = Table("set", "training images", "images an epoch", "share", "passes an epoch", title="an epoch of training")
    total = sum(share.quota for share in data.shares)
    for name, _, images, quota in data.shares:
        table.add_row(name, str(images), str(quota), f"{quota / total:.1%}", f"{quota / images:.2f}")
    table.add_row("all", str(sum(share.images for share in data.shares)), str(total), "100.0%", "")
    return table


def print_transfer(parts: Sequence[TransferredPart], given: str) -> None:
    """Print what each part of a task took from another run."""
    table = Table("part", "parameters taken", "", title=f"weights of {given}")
    for part in parts:
        table.add_row(part.name, f"{part.taken:,} of {part.total:,}", part.note)
    rank_zero_only(make_console().print)(table)


def print_results(results: Mapping[str, Any], heads: HeadSummaries, folder: Path) -> None:
    """Print a table of metrics and the files of a run.

    Args:
        results: of the best checkpoint, by name.
        heads: summaries of the metrics of each head.
        folder: of the run.
    """
    console = make_console()
    splits = [split for split in (*SPLITS, ALL_SPLITS) if any(key.startswith(f"{split}/") for key in results)]
    names = dict.fromkeys(key.split("/", 1)[1] for key in results if key.split("/")[0] in splits)
    table = Table("metric", *splits, title="results of the best checkpoint")
    for name in sorted(names, key=partial(_rank_metric, heads=heads)):
        if name == "loss":
            continue  # a sum over heads
        values = [results.get(f"{split}/{name}") for split in splits]
        digits = 0 if is_count(name, heads) else 4
        style = "dim" if is_count(name, heads) or name.endswith("/loss") else None
        table.add_row(name, *("" if value is None else f"{value:.{digits}f}" for value in values), style=style)
    console.print(table)
    for line in list_metric_notes(results, heads):
        console.print(line, markup=False, highlight=False)
    if "images_per_second" in results:
        console.print(
            f"{results['seconds']:.0f} s, {results['images_per_second']:.1f} images/s in training, "
            f"{results['data_wait']:.1%} of it waiting for data",
            highlight=False,
        )
    console.print(f"{folder}:", highlight=False, soft_wrap=True)
    console.print(f"  {', '.join(_list_files(folder))}", highlight=False, soft_wrap=True)


def _rank_metric(name: str, heads: HeadSummaries) -> tuple[int, bool, str]:
    """Sorts main metrics and the score before other metrics, these before losses, and losses before counts."""
    head, _, metric = name.rpartition("/")
    kind = 2 if is_count(name, heads) else int(metric == "loss")
    return kind, head in heads and metric != heads[head].main_metric, name


def _list_files(folder: Path) -> list[str]:
    """The files of a folder, and its folders with the number of files in them."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    counts = {path: sum(each.is_file() for each in path.rglob("*")) for path in paths if path.is_dir()}
    return [f"{path.name}/ ({counts[path]})" if path in counts else path.name for path in paths]


def print_class_table(
    counts: tuple[Tensor, Tensor, Tensor],
    classes: Sequence[str],
    path: Path,
    columns: Mapping[str, Tensor] | None = None,
) -> None:
    """Write precision, recall, F1, IoU and support of each class to a CSV file.

    Args:
        counts: (classes,) each: how often a class is right, predicted and true.
        classes: names.
        path: of the file.
        columns: further ones by name, (at most classes,) for the first classes, NaN for none.
    """
    correct, predicted, true = (each.double() for each in counts)
    shares = (
        correct / predicted,
        correct / true,
        2 * correct / (predicted + true),
        correct / (predicted + true - correct),
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        header = ["class", "precision", "recall", "f1", "iou", "support", *(columns or {})]
        table.writerow(header)
        for row, name in enumerate(classes):
            numbers = [float(share[row].nan_to_num()) for share in shares]
            cells = [name, *(f"{number:.4f}" for number in numbers), str(int(true[row]))]
            for column in (columns or {}).values():
                value = float(column[row]) if row < len(column) else math.nan
                cells.append("" if math.isnan(value) else f"{value:.4f}")
            table.writerow(cells)
