"""Curves: what a run measured, step by step, as far as its file was written; few enough points to draw."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class Curve:
    """One number over the steps of a run.

    Attributes:
        steps: of the optimizer, as they were written.
        values: finite, one a step.
        broken: the first step at which the number was infinite or not a number; null where it never was.
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    broken: int | None = None

    def add(self, step: int, value: float) -> None:
        """Appends a point, or remembers that it was not finite."""
        if math.isfinite(value):
            self.steps.append(step)
            self.values.append(value)
        elif self.broken is None:
            self.broken = step


def read_curves(path: Path) -> dict[str, Curve]:
    """The columns of a metrics.csv by name, without those on test; of a run that was killed, what was whole.

    A line that was cut off, or holds what is no number, is left out.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(_whole(file))
        try:
            header = next(lines, [])
            return _curves(header, lines) if "step" in header else {}
        except csv.Error:  # a line of zeros, say: what a computer that lost its power may leave
            return {}


def _whole(lines: Iterable[str]) -> Iterable[str]:
    """The last line may be half a line, and half a number would look like one."""
    return (line for line in lines if line.endswith("\n") and "\0" not in line)


def _curves(header: Sequence[str], lines: Iterable[Sequence[str]]) -> dict[str, Curve]:
    place = header.index("step")
    found = {name: Curve() for name in header if name not in ("step", "epoch") and not name.startswith("test/")}
    for cells in lines:
        if len(cells) != len(header) or not cells[place]:
            continue
        for name, cell in zip(header, cells, strict=True):
            if cell and name in found:
                try:
                    found[name].add(int(float(cells[place])), float(cell))
                except (ValueError, OverflowError):
                    continue
    return {name: curve for name, curve in found.items() if curve.steps or curve.broken is not None}


def thinned(curve: Curve, most: int) -> tuple[list[int], list[float]]:
    """Steps and values of at most so many points, to five digits: first, last, and lowest and highest of stretches.

    So no peak is lost, however long the run was.

    >>> thinned(Curve([1, 2, 3, 4, 5, 6], [0, 0, 9, 0, 0, 1]), 4)
    ([1, 2, 3, 6], [0.0, 0.0, 9.0, 1.0])
    """
    count = len(curve.steps)
    kept: Iterable[int] = range(count)
    if count > most:
        stretches = max(1, (most - 2) // 2)
        bounds = [1 + (count - 2) * place // stretches for place in range(stretches + 1)]
        places = {0, count - 1}
        for begin, end in zip(bounds, bounds[1:], strict=False):
            places |= {min(range(begin, end), key=curve.values.__getitem__)}
            places |= {max(range(begin, end), key=curve.values.__getitem__)}
        kept = sorted(places)
    chosen = list(kept)
    return [curve.steps[place] for place in chosen], [float(f"{curve.values[place]:.5g}") for place in chosen]
