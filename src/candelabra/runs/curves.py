"""Read the metrics of a run as curves and thin them for plotting."""

import csv
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

_PART = 10_000  # lines per chunk
_LONGEST = 16  # steps have fewer digits


@dataclass(eq=False)
class MetricCurve:
    """A metric over the steps of a run.

    Attributes:
        steps: optimizer steps, in the order of the file.
        values: finite values, one per step.
        broken: first step at which the metric was infinite or nan; null if there is none.
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    broken: int | None = None

    def extend(self, steps: Sequence[int], cells: Sequence[str]) -> None:
        """Append the cells of a column; skip empty cells and cells that are not numbers."""
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
        """Return a copy without the values at these steps."""
        kept = [(step, value) for step, value in zip(self.steps, self.values, strict=True) if step not in steps]
        return MetricCurve([step for step, _ in kept], [value for _, value in kept], self.broken)


def read_curves(path: Path) -> dict[str, MetricCurve]:
    """Read the curves of a metrics.csv by metric, without metrics on test and without incomplete lines.

    A finished run evaluates its best weights at the step of the test; values of that step belong to no curve.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(_read_complete_lines(file))
        try:
            header = next(lines, [])
            found = _parse_columns(header, lines) if "step" in header else {}
        except csv.Error:
            return {}
    tested = {step for name, curve in found.items() if name.startswith("test/") for step in curve.steps}
    curves = {name: curve.without(tested) for name, curve in found.items() if not name.startswith("test/")}
    return {name: curve for name, curve in curves.items() if curve.steps or curve.broken is not None}


def _read_complete_lines(lines: Iterable[str]) -> Iterable[str]:
    """Yield the complete lines.

    The last line may be cut off, and a cut number looks like a number. A power failure may leave zero bytes.
    """
    return (line for line in lines if line.endswith("\n") and "\0" not in line)


def _parse_columns(header: Sequence[str], lines: Iterable[Sequence[str]]) -> dict[str, MetricCurve]:
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
    """Reduce a curve to at most `most` points: the first, the last, and minimum and maximum of equal intervals.

    No peak is lost. Values are rounded to five digits.

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
