"""Curves: what a run measured, step by step, as far as its file was written; few enough points to draw."""

import csv
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

_PART = 10_000  # lines at a time
_LONGEST = 16  # digits of a step


@dataclass(eq=False)
class MetricCurve:
    """One number over the steps of a run.

    Attributes:
        steps: of the optimizer, as they were written.
        values: finite, one a step.
        broken: the first step at which the number was infinite or not a number; null where it never was.
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    broken: int | None = None

    def extend(self, steps: Sequence[int], cells: Sequence[str]) -> None:
        """Appends what a column says; an empty cell says nothing, and one that is no number is left out."""
        try:
            found = [(step, float(cell)) for step, cell in zip(steps, cells, strict=True) if cell]
        except ValueError:
            found = [(step, float(cell)) for step, cell in zip(steps, cells, strict=True) if _is_number(cell)]
        finite = [pair for pair in found if math.isfinite(pair[1])]
        if len(finite) < len(found) and self.broken is None:
            self.broken = next(step for step, value in found if not math.isfinite(value))
        self.steps += [step for step, _ in finite]
        self.values += [value for _, value in finite]

    def without(self, steps: Collection[int]) -> "MetricCurve":
        """The same, less what was measured at these steps."""
        kept = [(step, value) for step, value in zip(self.steps, self.values, strict=True) if step not in steps]
        return MetricCurve([step for step, _ in kept], [value for _, value in kept], self.broken)


def read_curves(path: Path) -> dict[str, MetricCurve]:
    """The columns of a metrics.csv by name, without those on test; of a run that was killed, what was whole.

    A line that was cut off is left out. A run that has ended judges its best weights at a step of its own, where it is
    tested: that is no part of a curve.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(_whole(file))
        try:
            header = next(lines, [])
            found = _columns(header, lines) if "step" in header else {}
        except csv.Error:
            return {}
    judged = {step for name, curve in found.items() if name.startswith("test/") for step in curve.steps}
    curves = {name: curve.without(judged) for name, curve in found.items() if not name.startswith("test/")}
    return {name: curve for name, curve in curves.items() if curve.steps or curve.broken is not None}


def _whole(lines: Iterable[str]) -> Iterable[str]:
    """The last line may be half a line, half a number would look like one; zeros are what a loss of power may leave."""
    return (line for line in lines if line.endswith("\n") and "\0" not in line)


def _columns(header: Sequence[str], lines: Iterable[Sequence[str]]) -> dict[str, MetricCurve]:
    place = header.index("step")
    found = {name: MetricCurve() for name in header if name not in ("step", "epoch")}
    whole = (
        cells
        for cells in lines
        if len(cells) == len(header)
        and cells[place].isascii()
        and cells[place].isdigit()
        and len(cells[place]) < _LONGEST
    )
    while part := list(islice(whole, _PART)):
        steps = [int(cells[place]) for cells in part]
        for name, column in zip(header, zip(*part, strict=True), strict=True):
            if name in found:
                found[name].extend(steps, column)
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def thin_curve(curve: MetricCurve, most: int) -> tuple[list[int], list[float]]:
    """Steps and values of at most so many points, to five digits: first, last, and lowest and highest of stretches.

    So no peak is lost, however long the run was.

    >>> thin_curve(MetricCurve([1, 2, 3, 4, 5, 6], [0, 0, 9, 0, 0, 1]), 4)
    ([1, 2, 3, 6], [0.0, 0.0, 9.0, 1.0])
    """
    count = len(curve.steps)
    kept: Iterable[int] = range(count)
    if count > most:
        stretches = max(1, (most - 2) // 2)
        bounds = [1 + (count - 2) * place // stretches for place in range(stretches + 1)]
        places = {0, count - 1}
        for begin, end in pairwise(bounds):
            stretch = curve.values[begin:end]
            places |= {begin + stretch.index(min(stretch)), begin + stretch.index(max(stretch))}
        kept = sorted(places)
    chosen = list(kept)
    return [curve.steps[place] for place in chosen], [float(f"{curve.values[place]:.5g}") for place in chosen]
