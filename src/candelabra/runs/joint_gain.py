"""What joint training gains over a model for each head alone (Maninis et al. 2019, "Attentive Single-Tasking")."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from candelabra.errors import CandelabraError
from candelabra.runs.aggregation import MetricNumber, RunRow, parse_number
from candelabra.runs.config_diff import diff_configs


@dataclass(frozen=True, eq=False)
class HeadGain:
    """Of one head.

    Attributes:
        alone: the single-task row it is measured against.
        gain: relative to the mean of that row; above 0 is better, whatever the metric.
        spread: standard deviation of the seeds of that row, relative to their mean; one seed has none.
    """

    alone: RunRow
    gain: MetricNumber
    spread: float | None

    @property
    def worse(self) -> bool:
        """Negative transfer, on the mean over seeds."""
        return self.gain.mean < 0

    @property
    def clearly(self) -> bool:
        """Worse by more than one standard deviation of the single-task seeds."""
        return self.spread is not None and self.gain.mean < -self.spread


@dataclass(frozen=True, eq=False)
class JointGain:
    """Of one joint row.

    Attributes:
        row: with several heads.
        heads: the gain of each head that has a single-task row.
        delta: the mean over heads, where all have one.
        seconds: of training, as a share of what the single-task rows took together.
        parameters: likewise.
        notes: what is missing, or differs from the single-task rows in more than the heads.
    """

    row: RunRow
    heads: Mapping[str, HeadGain]
    delta: MetricNumber | None
    seconds: float | None
    parameters: float | None
    notes: Sequence[str]


def compute_gains(rows: Sequence[RunRow]) -> list[JointGain]:
    """One for each joint row, where there is any single-task row.

    Raises:
        CandelabraError: it cannot be told which of several single-task rows belongs to a joint one.
    """
    single = [row for row in rows if not row.joint]
    joint = [row for row in rows if row.joint]
    return [_gain(row, single) for row in joint] if single else []


def _gain(row: RunRow, single: Sequence[RunRow]) -> JointGain:
    notes: list[str] = []
    each: dict[str, list[float]] = {}
    heads: dict[str, HeadGain] = {}
    for head in row.heads:
        alone = _alone(row, head, [other for other in single if other.heads == [head]])
        if alone is None:
            notes.append(f"{row.name}: no Δm, as no run here has {head} alone")
            continue
        baseline = alone.number(alone.main(head))
        if not baseline.mean or not math.isfinite(baseline.mean):
            found = f"{baseline.mean:g} for {head}, and nothing is relative to that"
            notes.append(f"{row.name}: no Δm, as {alone.name} has {found}")
            continue
        notes += _unequal(row, alone, head)
        each[head] = [
            _relative(value, baseline.mean, row.is_lower_better(head)) for value in row.values(row.main(head))
        ]
        gain = parse_number(each[head])
        spread = None if baseline.deviation is None else baseline.deviation / abs(baseline.mean)
        heads[head] = HeadGain(alone, gain, spread)
    complete = len(heads) == len(row.heads)
    delta = parse_number([statistics.fmean(seed) for seed in zip(*each.values(), strict=True)]) if complete else None
    return JointGain(row, heads, delta, _share("seconds", row, heads), _share("parameters", row, heads), notes)


def _relative(value: float, baseline: float, lower_is_better: bool) -> float:
    sign = -1 if lower_is_better else 1
    return sign * (value - baseline) / baseline


def _share(key: str, row: RunRow, heads: Mapping[str, HeadGain]) -> float | None:
    """Of the joint row's number in the sum of the single-task ones."""
    rows = [head.alone for head in heads.values()]
    if len(heads) < len(row.heads) or not all(key in other.keys for other in (row, *rows)):
        return None
    return row.number(key).mean / sum(other.number(key).mean for other in rows)


def _alone(row: RunRow, head: str, single: Sequence[RunRow]) -> RunRow | None:
    """The single-task row that differs least from a joint one.

    Raises:
        CandelabraError: several differ equally little.
    """
    distances = [len(_apart(row, other, head)) for other in single]
    nearest = [other for other, far in zip(single, distances, strict=True) if far == min(distances)]
    if len(nearest) > 1:
        names = ", ".join(other.name for other in nearest)
        raise CandelabraError(
            f"{names} are each a run of {head} alone, equally near to {row.name}, so it cannot be told which it is "
            "measured against; leave out all but one."
        )
    return nearest[0] if nearest else None


def _apart(row: RunRow, other: RunRow, head: str) -> list[str]:
    """The keys in which two rows differ, but for what a joint run must have otherwise: other heads, a balance."""
    configs = [row.runs[0].settings, other.runs[0].settings]
    keys = [key for key in diff_configs(configs) if key.split(".")[0] not in ("task", "balance")]
    nodes = [(config["task"].get("heads") or {}).get(head) for config in configs]
    if all(nodes):  # tasks of fewer heads name theirs otherwise
        keys += [f"task.heads.{head}.{key}" for key in diff_configs(nodes)]
    return keys


def _unequal(row: RunRow, alone: RunRow, head: str) -> list[str]:
    keys = _apart(row, alone, head)
    return [f"{row.name}: its single-task run of {head}, {alone.name}, differs in {', '.join(keys)}"] if keys else []
