"""What a run that goes on has logged before, read from its metrics.csv."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

METRICS = "metrics.csv"
Row = Mapping[str, str]


@dataclass(frozen=True)
class Past:
    """Rows of metrics.csv, oldest first, up to where the run was stopped; that is after its newest checkpoint."""

    rows: Sequence[Row] = field(default_factory=tuple)

    def before(self, step: int) -> list[Row]:
        """The rows of what is not done again."""
        return [row for row in self.rows if int(row["step"]) < step]

    def new(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """What was not logged yet; for trackers that cannot take anything back."""
        return {key: value for key, value in values.items() if step > self.steps.get(key, -1)}

    @cached_property
    def steps(self) -> dict[str, int]:
        """The last step at which each metric was logged."""
        return {key: int(row["step"]) for row in self.rows for key in row}

    def validated(self) -> int:
        """The step of the last validation; -1 for none."""
        return max((step for key, step in self.steps.items() if key.startswith("val/")), default=-1)


def read_past(folder: Path) -> Past:
    """From the folder of a run; half a row, which a kill may leave, is none."""
    path = folder / METRICS
    if not path.is_file():
        return Past()
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key: value for key, value in row.items() if key and value} for row in csv.DictReader(file)]
    return Past([row for row in rows if row.get("step", "").isdigit()])
