"""A Markdown table of the runs that `benchmarks.quality` keeps."""

import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

Runs = Sequence[Mapping[str, float]]
SHOWN = {"label": "accuracy", "box": "iou", "mask": "iou", "keypoints": "nme"}
COLUMNS = {"hand loop": "by hand", "fastai": "fastai", "ours": "default words"}


def pick_metrics(results: Mapping[str, float], split: str) -> dict[str, float]:
    """The main metric of each head, by head."""
    keys = {head: f"{split}/{head}/{metric}" for head, metric in SHOWN.items()}
    return {head: results[key] for head, key in keys.items() if key in results}


def make_table(files: Sequence[Path], split: str) -> str:
    """One line for each set and head that all rows have: a column of each row, then their epochs and CPU seconds."""
    found: dict[tuple[str, str], dict[str, list[Mapping[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        for key, results in json.loads(file.read_text()).items():
            name, mode, row, _ = key.split(" | ")
            found[name, mode][row].append(results)
    known = {row for rows in found.values() for row in rows}
    columns = [row for row in COLUMNS if row in known] + sorted(known - set(COLUMNS))
    titles = ["set", "metric", *(COLUMNS.get(row, row) for row in columns), "epochs", "seconds"]
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    for (name, mode), rows in found.items():
        shared = set(SHOWN).intersection(*(pick_metrics(runs[0], split) for runs in rows.values()))
        for head in (head for head in SHOWN if head in shared):
            cells = [format_metric(rows.get(row, []), head, split) for row in columns]
            for number in ("epochs", "seconds"):
                cells.append(" / ".join(format_mean(rows.get(row, []), number) for row in columns))
            lines.append(f"| {name}, {mode} | {head} {SHOWN[head]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_metric(runs: Runs, head: str, split: str) -> str:
    """Mean and standard deviation; the latter is left out for one run."""
    values = [pick_metrics(run, split)[head] for run in runs]
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def format_mean(runs: Runs, number: str) -> str:
    """The mean of a whole number."""
    return f"{statistics.mean(run[number] for run in runs):.0f}" if runs else "-"
