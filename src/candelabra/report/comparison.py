"""Compare runs: tables on the terminal and in Markdown, all numbers in a CSV file, and a plot."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from candelabra.report.bars import draw_comparison
from candelabra.report.consoles import make_console
from candelabra.runs.aggregation import MetricNumber, RunRow
from candelabra.runs.head_metrics import is_count, list_metric_notes
from candelabra.runs.joint_gain import JointGain

UNKNOWN_VALUE = "-"
_LONGEST = 20  # characters of the longest cell that is never wrapped
WORSE_MARK = {(False, False): "", (True, False): " ▼", (True, True): " ▼▼"}  # by (worse, clearly)


@dataclass(frozen=True)
class ComparisonTable:
    """A table before formatting: title, column names, cells, and lines below it."""

    title: str
    header: Sequence[str]
    cells: Sequence[Sequence[str]]
    below: Sequence[str] = ()

    @property
    def width(self) -> int:
        """Width on a terminal in characters; column names are wrapped at slashes."""
        header = [max(name.split("/"), key=len) for name in self.header]
        return sum(max(map(len, column)) + 3 for column in zip(header, *self.cells, strict=True)) + 1


def print_comparison(rows: Sequence[RunRow], gains: Sequence[JointGain], folder: Path) -> None:
    """Print the tables and write compare.csv, compare.md and compare.png.

    Args:
        rows: rows of the comparison.
        gains: of joint rows; may be empty.
        folder: for the files; is created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    console = make_console()
    tables = make_comparison_tables(rows, gains)
    fits = tables[0].width <= console.width
    for sheet in tables if fits else [_make_metrics_table(rows, list_main_metrics(rows)), *tables[1:]]:
        table = Table(title=sheet.title)
        for place, name in enumerate(sheet.header):
            column = [*name.split("/"), *(cells[place] for cells in sheet.cells)]
            whole = all(" " not in cell and len(cell) <= _LONGEST for cell in column)
            table.add_column(name.replace("/", "\n"), no_wrap=whole, overflow="fold")
        for cells in sheet.cells:
            table.add_row(*(cell.replace("± ", "±") for cell in cells))  # keeps mean and deviation on one line
        console.print(table)
        for line in sheet.below:
            console.print(line, highlight=False)
    write_comparison_csv(rows, gains, folder / "compare.csv")
    (folder / "compare.md").write_text("\n".join(format_markdown(sheet) for sheet in tables), encoding="utf-8")
    draw_comparison(rows, gains, folder / "compare.png")
    for name in ("compare.csv", "compare.md", "compare.png"):
        console.print(f"  {folder / name}", highlight=False, soft_wrap=True)


def make_comparison_tables(rows: Sequence[RunRow], gains: Sequence[JointGain]) -> list[ComparisonTable]:
    """Return the tables of metrics, of gains if there are any, and of differing config keys if there are any."""
    tables = [_make_metrics_table(rows, list_metrics(rows))]
    if gains:
        tables.append(_make_gains_table(gains))
    if any(row.differences for row in rows):
        words = [[row.name, ", ".join(f"{key}={word}" for key, word in row.differences.items())] for row in rows]
        tables.append(ComparisonTable("differences", ["", "config"], words))
    return tables


def format_markdown(sheet: ComparisonTable) -> str:
    """Format a table as a section of Markdown."""
    lines = [sheet.header, ["---"] * len(sheet.header), *sheet.cells]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    below = ["", *(f"- {line}" for line in sheet.below)] if sheet.below else []
    return "\n".join([f"## {sheet.title.capitalize()}", "", *table, *below, ""])


def write_comparison_csv(rows: Sequence[RunRow], gains: Sequence[JointGain], path: Path) -> None:
    """Write one line per row: differing config keys, then mean and deviation of every result, then gains."""
    lines: list[dict[str, str | float | None]] = []
    for row in rows:
        line: dict[str, str | float | None] = {"name": row.name, "seeds": len(row.runs)}
        line |= {f"config/{key}": word for key, word in row.differences.items()}  # prefix: `epochs` is also a result
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
    """Format mean ± deviation; `-` for a missing value.

    >>> format_value(MetricNumber(0.91234, 0.0101)), format_value(MetricNumber(0.5, None)), format_value(None)
    ('0.912 ± 0.010', '0.500', '-')
    """
    if value is None:
        return UNKNOWN_VALUE
    spread = "" if value.deviation is None else f" ± {value.deviation:.3f}"
    return f"{value.mean:{form}}{spread}{mark}"


def list_main_metrics(rows: Sequence[RunRow]) -> list[str]:
    """Return the main metric of each head, in the order of the task with most heads."""
    heads = dict.fromkeys(head for row in sorted(rows, key=lambda row: -len(row.heads)) for head in row.heads)
    return list(dict.fromkeys(row.main(head) for head in heads for row in rows if head in row.heads))


def list_metrics(rows: Sequence[RunRow]) -> list[str]:
    """Return the metrics of each head, main metric first, then the score if all rows have the same heads."""
    wanted: list[str] = []
    for main in list_main_metrics(rows):
        head = main.rpartition("/")[0]
        keys = [(key, row.runs[0].summaries) for row in rows for key in row.keys if key.startswith(f"{head}/")]
        others = dict.fromkeys(key for key, heads in keys if not key.endswith("/loss") and not is_count(key, heads))
        wanted += [main, *(key for key in others if key != main)]
    alike = all(row.heads == rows[0].heads and "test/score" in row.keys for row in rows)
    return [*wanted, "test/score"] if alike else wanted


def _make_metrics_table(rows: Sequence[RunRow], wanted: Sequence[str]) -> ComparisonTable:
    cells = [
        [row.name, str(len(row.runs)), *(format_value(row.number(key) if key in row.keys else None) for key in wanted)]
        for row in rows
    ]
    counts = {key.split("/")[1]: row.number(key).mean for row in rows for key in row.keys if key.endswith("/count")}
    tested = ", ".join(f"{head} {count:.0f}" for head, count in counts.items())
    below = [f"test samples with a label: {tested}"] if counts else []
    return ComparisonTable(
        "test results, mean ± standard deviation over seeds",
        ["", "seeds", *(key.removeprefix("test/") for key in wanted)],
        cells,
        [*below, *_list_row_notes(rows, wanted)],
    )


def _list_row_notes(rows: Sequence[RunRow], wanted: Sequence[str]) -> list[str]:
    """The notes on metrics; where they differ, so that numbers cannot be compared, each with its row."""
    named: dict[str, list[str]] = {}  # rows by note
    for row in rows:
        for line in list_metric_notes([key for key in wanted if key in row.keys], row.runs[0].summaries):
            named.setdefault(line, []).append(row.name)
    notes = Counter(line.partition(":")[0] for line in named)  # of each metric
    return [
        f"{', '.join(names)}: {line}" if notes[line.partition(":")[0]] > 1 else line for line, names in named.items()
    ]


def _make_gains_table(gains: Sequence[JointGain]) -> ComparisonTable:
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
    below = ["▼ worse than the single-task model; ▼▼ by more than the standard deviation of its seeds"] * marked
    return ComparisonTable(
        "relative gain over single-task models; seconds and size (parameters) as fractions of theirs",
        ["", *heads, "Δm", "seconds", "size"],
        cells,
        [*below, *dict.fromkeys(note for gain in gains for note in gain.notes)],
    )
