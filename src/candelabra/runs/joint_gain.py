"""Relative gain of joint training over single-task models (Maninis et al. 2019, "Attentive Single-Tasking")."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.runs.aggregation import MetricNumber, RunRow, parse_number
from candelabra.runs.config_diff import diff_configs


@dataclass(frozen=True, eq=False)
class HeadGain:
    """The gain of one head.

    Attributes:
        alone: the single-task row, which is the baseline.
        gain: relative to the mean of the baseline; positive is better, for every metric.
        spread: standard deviation over the seeds of the baseline, relative to their mean; null for one seed.
    """

    alone: RunRow
    gain: MetricNumber
    spread: float | None

    @property
    def worse(self) -> bool:
        """Whether the mean over seeds is worse than the baseline (negative transfer)."""
        return self.gain.mean < 0

    @property
    def clearly(self) -> bool:
        """Whether the mean is worse by more than one standard deviation of the seeds of the baseline."""
        return self.spread is not None and self.gain.mean < -self.spread


@dataclass(frozen=True, eq=False)
class JointGain:
    """The gains of one joint row.

    Attributes:
        row: the joint row.
        heads: the gain of each head that has a single-task row.
        delta: Δm, the mean gain over heads; null unless all heads have one.
        seconds: training time as a fraction of the sum over the single-task rows; null if unknown.
        parameters: number of parameters as a fraction of the sum over the single-task rows; null if unknown.
        notes: sentences about missing single-task rows, and those that differ in more than the heads.
    """

    row: RunRow
    heads: Mapping[str, HeadGain]
    delta: MetricNumber | None
    seconds: float | None
    parameters: float | None
    notes: Sequence[str]


def compute_gains(rows: Sequence[RunRow]) -> list[JointGain]:
    """Compute the gain of each joint row; an empty list if there is no single-task row.

    Raises:
        CandelabraError: several single-task rows match a joint row equally well.
    """
    single = [row for row in rows if not row.joint]
    joint = [row for row in rows if row.joint]
    return [_compute_gain(row, single) for row in joint] if single else []


def _compute_gain(row: RunRow, single: Sequence[RunRow]) -> JointGain:
    notes: list[str] = []
    each: dict[str, list[float]] = {}
    heads: dict[str, HeadGain] = {}
    for head in row.heads:
        alone = _find_baseline(row, head, [other for other in single if other.heads == [head]])
        if alone is None:
            notes.append(f"{row.name}: no Δm, as no run has {head} alone")
            continue
        baseline = alone.number(alone.main(head))
        if not baseline.mean or not math.isfinite(baseline.mean):
            found = f"{baseline.mean:g} for {head}, and a gain relative to it is not defined"
            notes.append(f"{row.name}: no Δm, as {alone.name} has {found}")
            continue
        notes += _note_differences(row, alone, head)
        each[head] = [
            _relative_gain(value, baseline.mean, row.is_lower_better(head)) for value in row.values(row.main(head))
        ]
        gain = parse_number(each[head])
        spread = None if baseline.deviation is None else baseline.deviation / abs(baseline.mean)
        heads[head] = HeadGain(alone, gain, spread)
    complete = len(heads) == len(row.heads)
    delta = parse_number([statistics.fmean(seed) for seed in zip(*each.values(), strict=True)]) if complete else None
    return JointGain(
        row, heads, delta, _compute_share("seconds", row, heads), _compute_share("parameters", row, heads), notes
    )


def _relative_gain(value: float, baseline: float, lower_is_better: bool) -> float:
    """Return the gain relative to the size of the baseline, which may be negative (R², kappa) but not 0."""
    sign = -1 if lower_is_better else 1
    return sign * (value - baseline) / abs(baseline)


def _compute_share(key: str, row: RunRow, heads: Mapping[str, HeadGain]) -> float | None:
    """Return a result of the joint row divided by the sum over the single-task rows; null if one is missing."""
    rows = [head.alone for head in heads.values()]
    if len(heads) < len(row.heads) or not all(key in other.keys for other in (row, *rows)):
        return None
    return row.number(key).mean / sum(other.number(key).mean for other in rows)


def _find_baseline(row: RunRow, head: str, single: Sequence[RunRow]) -> RunRow | None:
    """Return the single-task row that differs in the fewest keys from a joint row; null if there is none.

    Raises:
        CandelabraError: several rows differ equally little.
    """
    distances = [len(_list_differences(row, other, head)) for other in single]
    nearest = [other for other, far in zip(single, distances, strict=True) if far == min(distances)]
    if len(nearest) > 1:
        names = ", ".join(other.name for other in nearest)
        raise CandelabraError(
            f"{names} are each a run of {head} alone, equally near to {row.name}, so the baseline is "
            "ambiguous; leave out all but one."
        )
    return nearest[0] if nearest else None


def _list_differences(row: RunRow, other: RunRow, head: str) -> list[str]:
    """Return the keys in which two rows differ, except for the heads and the balance, which must differ."""
    configs = [row.runs[0].settings, other.runs[0].settings]
    keys = [key for key in diff_configs(configs) if key.split(".")[0] not in ("task", "balance")]
    nodes = [_get_head(config["task"], head) for config in configs]
    if all(isinstance(node, dict) for node in nodes):
        keys += [f"task.heads.{head}.{key}" for key in diff_configs(nodes)]
    return keys


def _get_head(task: Mapping[str, Any], head: str) -> Any:
    """Return the node of a head: task.heads.<head>, or task.<head> of a task with one head."""
    heads = task.get("heads")
    return (heads if isinstance(heads, dict) else task).get(head)


def _note_differences(row: RunRow, alone: RunRow, head: str) -> list[str]:
    keys = _list_differences(row, alone, head)
    return [f"{row.name}: its single-task run of {head}, {alone.name}, differs in {', '.join(keys)}"] if keys else []
