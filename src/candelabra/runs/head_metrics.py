"""Describe the metrics of a head: its main metric, which are better low, and which are counts."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HEADS_KEY = "heads"  # in results.json
HEADS_FILE = "heads.json"  # the same from the start of a run on, for reports of runs that are not finished


@dataclass(frozen=True)
class HeadSummary:
    """Description of the metrics of one head, saved in `results.json` under `heads`.

    Attributes:
        target: that the head predicts.
        main_metric: by which runs are compared.
        lower_is_better: metrics of which lower values are better.
        counts: metrics that are numbers of samples or points and do not measure quality.
        notes: what must be known to read a metric, by its name.
    """

    target: str
    main_metric: str
    lower_is_better: tuple[str, ...] = ("loss",)
    counts: tuple[str, ...] = ("count",)
    notes: Mapping[str, str] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


HeadSummaries = Mapping[str, HeadSummary]


def parse_head_summaries(plain: object) -> dict[str, HeadSummary]:
    """Parse the summaries that `HeadSummary.to_plain` wrote, by head; skip invalid entries."""
    found: dict[str, HeadSummary] = {}
    for name, each in plain.items() if isinstance(plain, Mapping) else ():
        if isinstance(each, Mapping) and {"target", "main_metric"} <= set(each):
            lower, counts = (tuple(map(str, each.get(key) or ())) for key in ("lower_is_better", "counts"))
            notes = each.get("notes")
            read = {str(key): str(note) for key, note in notes.items()} if isinstance(notes, Mapping) else {}
            found[str(name)] = HeadSummary(str(each["target"]), str(each["main_metric"]), lower, counts, read)
    return found


def is_lower_better(metric: str, heads: HeadSummaries) -> bool:
    """Whether lower values of `<split>/<head>/<metric>`, or of `<split>/loss`, are better.

    >>> heads = {"keypoints": HeadSummary("keypoints", "nme", ("loss", "nme"))}
    >>> [is_lower_better(f"val/{name}", heads) for name in ("loss", "keypoints/nme", "keypoints/pck", "label/nme")]
    [True, True, False, False]
    """
    head, _, last = metric.rpartition("/")
    summary = heads.get(head.rpartition("/")[2])
    return last == "loss" or (summary is not None and last in summary.lower_is_better)


def is_count(metric: str, heads: HeadSummaries) -> bool:
    """Whether `<split>/<head>/<metric>` is a number of samples or points, not a measure of quality."""
    head, _, last = metric.rpartition("/")
    summary = heads.get(head.rpartition("/")[2])
    return bool(head) and (last == "count" or (summary is not None and last in summary.counts))


def list_metric_notes(metrics: Collection[str], heads: HeadSummaries) -> list[str]:
    """A line for each note on a metric that is among these, as `<head>/<metric>` with or without its split.

    >>> heads = {"eyes": HeadSummary("keypoints", "nme", notes={"nme": "divided by the image's diagonal"})}
    >>> list_metric_notes(["val/eyes/nme", "test/eyes/nme"], heads)
    ["eyes/nme: divided by the image's diagonal"]
    """
    measured = {"/".join(metric.split("/")[-2:]) for metric in metrics}
    notes = {f"{head}/{metric}": note for head, each in heads.items() for metric, note in each.notes.items()}
    return [f"{metric}: {note}" for metric, note in notes.items() if metric in measured]
