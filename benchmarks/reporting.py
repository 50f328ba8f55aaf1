"""What the benchmarks share: a table on the terminal, JSON where told, and one closing line `name: figure`."""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table


def parser(description: str | None) -> argparse.ArgumentParser:
    """With --json, where the figures are written."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, help="write the figures here")
    return made


def report(title: str, rows: dict[str, list[float]], figure: tuple[str, float], path: Path | None) -> None:
    """Prints minimum, median and maximum of each row; ends in the figure."""
    table = Table("", "min", "median", "max", "runs", title=title)
    for name, values in rows.items():
        numbers = (min(values), statistics.median(values), max(values))
        table.add_row(name, *(f"{number:.3f}" for number in numbers), str(len(values)))
    Console().print(table)
    if path:
        path.write_text(json.dumps({"rows": rows, figure[0]: figure[1]}, indent=2) + "\n")
    print(f"{figure[0]}: {figure[1]:.3f}")


class Runs:
    """Results of runs by name, kept in a file as they come, so that a script can be stopped and started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}

    def get(self, key: str, run: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Runs it, or recalls it."""
        if key not in self.done:
            self.done[key] = run()
            self.path.write_text(json.dumps(self.done, indent=2) + "\n")
            print(key, self.done[key], flush=True)
        return self.done[key]
