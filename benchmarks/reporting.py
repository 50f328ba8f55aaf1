"""What the benchmarks share: a table on the terminal, JSON where told, and one closing line `name: figure`."""

import argparse
import json
import statistics
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
