"""Runs beside each other for people: tables on the terminal and in Markdown, all numbers in a CSV, a picture."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from candelabra.report.bars import draw_comparison
from candelabra.runs.aggregation import MetricNumber, RunRow
from candelabra.runs.head_metrics import is_count
from candelabra.runs.joint_gain import JointGain

UNKNOWN_VALUE = "-"
_LONGEST = 20  # word that is never broken, however narrow the terminal
WORSE_MARK = {(False, False): "", (True, False): " ▼", (True, True): " ▼▼"}  # by (worse, clearly)


@dataclass(frozen=True)
class ComparisonTable:
    """A table before it is drawn: title, names of columns, cells, and lines below."""

    title: str
    header: Sequence[str]
    cells: Sequence[Sequence[str]]
    below: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Characters on a terminal, where names of columns are broken at a slash."""
        header = [max(name.split("/"), key=len) for name in self.header]
        return sum(max(map(len, column)) + 3 for column in zip(header, *self.cells, strict=True)) + 1


def print_comparison(rows: Sequence[RunRow], gains: Sequence[JointGain], folder: Path) -> None:
    """Prints the tables, and writes compare.csv, compare.md and compare.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    found = make_comparison_tables(rows, gains)
    fits = found[0].width <= console.width
    for sheet in found if fits else [_metrics(rows, list_main_metrics(rows)), *found[1:]]:
        table = Table(title=sheet.title)
        for place, name in enumerate(sheet.header):
            column = [*name.split("/"), *(cells[place] for cells in sheet.cells)]
            whole = all(" " not in cell and len(cell) <= _LONGEST for cell in column)
            table.add_column(name.replace("/", "\n"), no_wrap=whole, overflow="fold")
        for cells in sheet.cells:
            table.add_row(*(cell.replace("± ", "±") for cell in cells))  # not torn apart where it is narrow
        console.print(table)
        for line in sheet.below:
            console.print(line, highlight=False, markup=False)
    write_comparison_csv(rows, gains, folder / "compare.csv")
    (folder / "compare.md").write_text("\n".join(format_markdown(sheet) for sheet in found), encoding="utf-8")
    draw_comparison(rows, gains, folder / "compare.png")
    for name in ("compare.csv", "compare.md", "compare.png"):
        console.print(f"  {folder / name}", highlight=False, soft_wrap=True)


def make_comparison_tables(rows: Sequence[RunRow], gains: Sequence[JointGain]) -> list[ComparisonTable]:
    """The metrics; the gains, where there is a single-task run; in what the rows differ."""
    found = [_metrics(rows, list_metrics(rows))]
    if gains:
        found.append(_gains(gains))
    if any(row.differences for row in rows):
        words = [[row.name, ", ".join(f"{key}={word}" for key, word in row.differences.items())] for row in rows]
        found.append(ComparisonTable("in what they differ", ["", "config"], words))
    return found


def format_markdown(sheet: ComparisonTable) -> str:
    """A section."""
    lines = [sheet.header, ["---"] * len(sheet.header), *sheet.cells]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    below = ["", *(f"- {line}" for line in sheet.below)] if sheet.below else []
    return "\n".join([f"## {sheet.title.capitalize()}", "", *table, *below, ""])


def write_comparison_csv(rows: Sequence[RunRow], gains: Sequence[JointGain], path: Path) -> None:
    """A row a configuration: what differs, then mean and deviation of every number, then the gains."""
    lines: list[dict[str, str | float | None]] = []
    for row in rows:
        line: dict[str, str | float | None] = {"name": row.name, "seeds": len(row.runs)}
        line |= {f"config/{key}": word for key, word in row.differences.items()}  # `epochs` is a result as well
        numbers = {key: row.number(key) for key in row.keys}
        for gain in (gain for gain in gains if gain.row is row):
            numbers |= {f"gain/{head}": one.gain for head, one in gain.heads.items()}
            numbers |= {"delta_m": gain.delta} if gain.delta else {}
            line |= {"seconds_share": gain.seconds, "parameters_share": gain.parameters}
        for key, value in numbers.items():
            line |= {key: value.mean} if value.deviation is None else {key: value.mean, f"{key} ±": value.deviation}
        lines.append(line)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for line in lines for key in line)))
        table.writeheader()
        table.writerows(lines)


def format_value(value: MetricNumber | None, form: str = ".3f", mark: str = "") -> str:
    """Mean ± deviation.

    >>> format_value(MetricNumber(0.91234, 0.0101)), format_value(MetricNumber(0.5, None)), format_value(None)
    ('0.912 ± 0.010', '0.500', '-')
    """
    if value is None:
        return UNKNOWN_VALUE
    spread = "" if value.deviation is None else f" ± {value.deviation:.3f}"
    return f"{value.mean:{form}}{spread}{mark}"


def list_main_metrics(rows: Sequence[RunRow]) -> list[str]:
    """The main metric of each head, in the order of the task with most heads."""
    heads = dict.fromkeys(head for row in sorted(rows, key=lambda row: -len(row.heads)) for head in row.heads)
    return list(dict.fromkeys(row.main(head) for head in heads for row in rows if head in row.heads))


def list_metrics(rows: Sequence[RunRow]) -> list[str]:
    """Head by head, its main metric first; the score only where it is the mean over the same heads."""
    wanted: list[str] = []
    for main in list_main_metrics(rows):
        head = main.rpartition("/")[0]
        keys = [(key, row.runs[0].summaries) for row in rows for key in row.keys if key.startswith(f"{head}/")]
        others = dict.fromkeys(key for key, heads in keys if not key.endswith("/loss") and not is_count(key, heads))
        wanted += [main, *(key for key in others if key != main)]
    alike = all(row.heads == rows[0].heads and "test/score" in row.keys for row in rows)
    return [*wanted, "test/score"] if alike else wanted


def _metrics(rows: Sequence[RunRow], wanted: Sequence[str]) -> ComparisonTable:
    cells = [
        [row.name, str(len(row.runs)), *(format_value(row.number(key) if key in row.keys else None) for key in wanted)]
        for row in rows
    ]
    counts = {key.split("/")[1]: row.number(key).mean for row in rows for key in row.keys if key.endswith("/count")}
    below = [f"test samples with a label: {', '.join(f'{head} {count:.0f}' for head, count in counts.items())}"]
    return ComparisonTable(
        "test results, mean ± standard deviation over seeds",
        ["", "seeds", *(key.removeprefix("test/") for key in wanted)],
        cells,
        below if counts else (),
    )


def _gains(gains: Sequence[JointGain]) -> ComparisonTable:
    heads = list(dict.fromkeys(head for gain in gains for head in gain.heads))
    cells, marked = [], False
    for gain in gains:
        each = [gain.heads.get(head) for head in heads]
        words = [
            format_value(one.gain, "+.3f", WORSE_MARK[one.worse, one.clearly]) if one else UNKNOWN_VALUE for one in each
        ]
        shares = [UNKNOWN_VALUE if share is None else f"{share:.2f}" for share in (gain.seconds, gain.parameters)]
        cells.append([gain.row.name, *words, format_value(gain.delta, "+.3f"), *shares])
        marked = marked or any(one.worse for one in gain.heads.values())
    below = ["▼ worse than alone; ▼▼ by more than the standard deviation of the seeds of the model alone"] * marked
    return ComparisonTable(
        "relative gain over one model a head; seconds and size (parameters) as shares of theirs",
        ["", *heads, "Δm", "seconds", "size"],
        cells,
        [*below, *dict.fromkeys(note for gain in gains for note in gain.notes)],
    )
