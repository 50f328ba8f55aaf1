"""Read runs that may be unfinished: each file may be missing, cut off or invalid."""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candelabra.runs.config_diff import flatten_settings
from candelabra.runs.head_metrics import HEADS_FILE, HEADS_KEY, HeadSummaries, parse_head_summaries
from candelabra.storage.documents import load_json, load_yaml

_LONGEST = 200_000  # characters of a file on a page


@dataclass(frozen=True, eq=False)
class PartialRun:
    """A run that may be unfinished.

    Attributes:
        folder: as given.
        config: resolved, of plain values; empty if it cannot be read.
        results: finite numbers by name; empty if the run is not finished.
        heads: summary of the metrics of each head; empty if no file has them.
        code: versions by name, and the commit if there is one; empty if no logger wrote them.
        problems: a sentence for each file that cannot be read.
    """

    folder: Path
    config: Mapping[str, Any]
    results: Mapping[str, float]
    heads: HeadSummaries
    code: Mapping[str, Any]
    problems: Sequence[str]

    @property
    def finished(self) -> bool:
        """Whether it has been tested."""
        return bool(self.results)

    @property
    def settings(self) -> dict[str, Any]:
        """The config without seeds and keys that do not change results; empty if the config is incomplete."""
        try:
            return flatten_settings(self.config)
        except (KeyError, TypeError):
            return {}

    @property
    def words(self) -> list[str]:
        """The overrides of the command line; empty if the run was started otherwise."""
        words = self.config.get("words")
        return [str(word) for word in words] if isinstance(words, list) else []


def read_partial_run(folder: Path) -> PartialRun:
    """Read the files of a run that exist; unreadable ones are listed in `problems`."""
    import yaml

    problems: list[str] = []
    found: dict[str, Any] = {}
    for name in ("config.yaml", "results.json", HEADS_FILE, "code.json"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
            content = load_yaml(text) if name.endswith("yaml") else load_json(text)
            if not isinstance(content, dict):
                raise ValueError("it is not a mapping")
            found[name] = content
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            problems.append(f"{name} cannot be read: {' '.join(str(error).split())}")
    results = {
        str(key): float(value) for key, value in found.get("results.json", {}).items() if _is_finite_number(value)
    }
    heads = parse_head_summaries(found.get("results.json", {}).get(HEADS_KEY) or found.get(HEADS_FILE))
    return PartialRun(folder, found.get("config.yaml", {}), results, heads, found.get("code.json", {}), problems)


def _is_finite_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer with hundreds of digits
        return False


def read_csv_rows(path: Path, most: int) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the first rows of a CSV file; empty if it is missing or invalid.

    Args:
        path: of the file.
        most: maximal number of rows.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            rows = [row for _, row in zip(range(most), lines, strict=False)]
    except (OSError, csv.Error):
        return [], []
    return header, [row for row in rows if len(row) == len(header)]


def count_issues(folder: Path) -> list[tuple[str, str, int]]:
    """Return issues of the data as (what, treatment, count), most frequent first."""
    header, rows = read_csv_rows(folder / "issues.csv", 10**9)
    if not {"what", "treatment"} <= set(header):
        return []
    what, treatment = header.index("what"), header.index("treatment")
    counts = Counter((row[what], row[treatment]) for row in rows)
    return [(*key, count) for key, count in counts.most_common()]


def read_run_text(path: Path, end: bool = False) -> str:
    """Read a text file; a long one is cut to its beginning, or its end, and marked with `...`."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    if len(content) <= _LONGEST:
        return content
    return f"... {content[-_LONGEST:]}" if end else f"{content[:_LONGEST]} ..."


def strip_target(node: Any) -> str:
    """Return the class name of a config node without its package; empty if it names none.

    >>> strip_target({"_target_": "candelabra.data.Pets"}), strip_target(None)
    ('Pets', '')
    """
    return str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""
