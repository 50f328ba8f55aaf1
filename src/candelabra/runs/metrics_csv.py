"""What a run that goes on has logged before, read from its metrics.csv."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

METRICS_FILE = "metrics.csv"
PREVIOUS_METRICS_FILE = "metrics.before.csv"  # what it was, while it is written again for a run that goes on
MetricsRow = Mapping[str, str]


@dataclass(frozen=True)
class LoggedMetrics:
    """Rows of metrics.csv, oldest first, up to where the run was stopped; that is after its newest checkpoint."""

    rows: Sequence[MetricsRow] = field(default_factory=tuple)

    def before(self, step: int) -> list[MetricsRow]:
        """The rows of what is not done again."""
        return [row for row in self.rows if int(row["step"]) < step]

    def numbers(self, step: int) -> Iterator[tuple[dict[str, float], int]]:
        """The metrics of these rows, each with its step, for a tracker that was not there then."""
        for row in self.before(step):
            yield {key: float(value) for key, value in row.items() if key != "step"}, int(row["step"])

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


def read_logged_metrics(folder: Path) -> LoggedMetrics:
    """From the folder of a run; half a row, which a kill may leave, is none."""
    path = next((folder / name for name in (PREVIOUS_METRICS_FILE, METRICS_FILE) if (folder / name).is_file()), None)
    if path is None:
        return LoggedMetrics()
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.DictReader(line for line in file if line.endswith("\n") and "\0" not in line)
        whole = [row for row in lines if None not in row.values()]
    rows = [{key: value for key, value in row.items() if key and value} for row in whole]
    return LoggedMetrics([row for row in rows if _number(row)])


def _number(row: MetricsRow) -> bool:
    """Whether it is a row of numbers, at a step."""
    try:
        return int(row["step"]) >= 0 and bool([float(value) for value in row.values()])
    except (KeyError, ValueError):
        return False
