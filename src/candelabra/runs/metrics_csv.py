"""Read the metrics that a resumed run has logged before, from its metrics.csv."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

METRICS_FILE = "metrics.csv"
PREVIOUS_METRICS_FILE = "metrics.before.csv"  # the previous file, while a resumed run rewrites it
MetricsRow = Mapping[str, str]


@dataclass(frozen=True)
class LoggedMetrics:
    """The rows of metrics.csv, oldest first, until the run stopped, which may be after its newest checkpoint."""

    rows: Sequence[MetricsRow] = field(default_factory=tuple)

    def before(self, step: int) -> list[MetricsRow]:
        """Return the rows before a step, which a run resumed at that step does not repeat."""
        return [row for row in self.rows if int(row["step"]) < step]

    def numbers(self, step: int) -> Iterator[tuple[dict[str, float], int]]:
        """Yield metrics and step of the rows before a step, for a tracker that was not active then."""
        for row in self.before(step):
            yield {key: float(value) for key, value in row.items() if key != "step"}, int(row["step"])

    def new(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """Return the values that are not logged yet, for trackers that cannot overwrite values."""
        return {key: value for key, value in values.items() if step > self.steps.get(key, -1)}

    @cached_property
    def steps(self) -> dict[str, int]:
        """The last step at which each metric was logged."""
        return {key: int(row["step"]) for row in self.rows for key in row}

    def validated(self) -> int:
        """Return the step of the last validation; -1 if there was none."""
        return max((step for key, step in self.steps.items() if key.startswith("val/")), default=-1)


def read_logged_metrics(folder: Path) -> LoggedMetrics:
    """Read the metrics of a run folder; skips an incomplete row, which a killed run may leave."""
    path = next((folder / name for name in (PREVIOUS_METRICS_FILE, METRICS_FILE) if (folder / name).is_file()), None)
    if path is None:
        return LoggedMetrics()
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.DictReader(line for line in file if line.endswith("\n") and "\0" not in line)
        whole = [row for row in lines if None not in row.values()]
    rows = [{key: value for key, value in row.items() if key and value} for row in whole]
    return LoggedMetrics([row for row in rows if _is_numeric(row)])


def _is_numeric(row: MetricsRow) -> bool:
    """Whether a row has a step and all its values are numbers."""
    try:
        return int(row["step"]) >= 0 and bool([float(value) for value in row.values()])
    except (KeyError, ValueError):
        return False
