"""Tables of measured methods."""

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from candelabra.explain.measuring import MethodMeasures
from candelabra.explain.methods import METHODS
from candelabra.report.consoles import make_console

_COLUMNS = ("pointing", "insertion - deletion", "insertion", "deletion", "drop", "randomised")

_PRINTED = {"pointing": "points in", "insertion - deletion": "ins-del", "drop": "drop", "randomised": "random"}


def write_measures(found: Sequence[MethodMeasures], folder: Path) -> None:
    """Writes measures.csv, a row for each method, in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "measures.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["method", *_COLUMNS, "sanity check"])
        for each in found:
            table.writerow([each.method, *(_format(each.summarize()[name]) for name in _COLUMNS), _judge(each)])


def print_measures(found: Sequence[MethodMeasures], title: str) -> None:
    """Prints a table of methods, the best first; methods that fail the sanity check are marked."""
    table = Table(title=title)
    for name in ("method", *_PRINTED.values(), "check"):
        table.add_column(name, justify="left" if name in ("method", "check") else "right", no_wrap=True)
    for each in found:
        means = each.summarize()
        table.add_row(METHODS[each.method].title, *(_format(means[name]) for name in _PRINTED), _judge(each))
    make_console().print(table)


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _judge(found: MethodMeasures) -> str:
    return "" if not found.randomised else "fails" if found.fails else "passes"
