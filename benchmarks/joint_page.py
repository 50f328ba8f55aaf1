"""The page that `benchmarks.joint` writes: tables, and sentences computed from their numbers."""

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import pairwise

from benchmarks.joint_speed import Speed, table
from candelabra.report.comparison import UNKNOWN_VALUE, WORSE_MARK, ComparisonTable, format_markdown, format_value
from candelabra.runs.aggregation import MetricNumber, RunRow
from candelabra.runs.joint_gain import JointGain, compute_gains

FIXED = ["data=pets", "data.split=random", "task=multitask"]
PAGE = """# One multi-task model or one model per head

`python -m benchmarks.joint --root <folder of pets> --out <folder> --page docs/joint.md` writes this page. It
trains single-task models for label, box and mask, and a joint model for all three with each balance, on the same
backbone, images, splits, epochs and seeds. Each target keeps its label on a share of the training images, drawn
independently per target (`data.labelled=0.5`; with `'data.labelled={{mask:0.2}}'` masks alone become few); the
test images are always the same. Mean ± standard deviation over seeds; Δm is the mean over
heads of the gain relative to the single-task model (Maninis et al. 2019), positive is better. {worse} marks a head
that is worse than its single-task model, {clearly} one that is worse by more than the standard deviation of the seeds
of that model. Time is that of training, relative to the single-task models together.

Default settings except `{words}`; {seeds} seeds.

{tables}
## Effect of fewer labels

{trends}

## Speed

Ratio of the joint model with the first balance to one model per head: parameters {parameters}, seconds of training
{seconds}. Below, medians of {repetitions} alternating repetitions, {how}.

{speed}
"""


def page(rows: Mapping[float, Sequence[RunRow]], speeds: Sequence[Speed], how: str, given: Namespace) -> str:
    """The page.

    Args:
        rows: of each share of labels.
        speeds: of inference.
        how: under what it was measured.
        given: the arguments of the script.
    """
    found = {share: compute_gains(of) for share, of in rows.items()}
    names = dict.fromkeys(gain.row.name for of in found.values() for gain in of)
    deltas = {name: {share: _delta(of, name) for share, of in found.items()} for name in names}
    first = next((gain for of in found.values() for gain in of), None)
    parameters, seconds = (first.parameters, first.seconds) if first else (None, None)
    return PAGE.format(
        seeds=given.seeds,
        words=" ".join([*FIXED, f"data.size={given.size}", f"epochs={given.epochs}", *given.words]),
        worse=WORSE_MARK[True, False].strip(),
        clearly=WORSE_MARK[True, True].strip(),
        tables="\n".join(format_markdown(results(share, of, found[share])) for share, of in rows.items()),
        trends="\n".join(f"- {trend(name, values)}" for name, values in deltas.items()),
        parameters=UNKNOWN_VALUE if parameters is None else f"{parameters:.3f}",
        seconds=UNKNOWN_VALUE if seconds is None else f"{seconds:.2f}",
        repetitions=given.repetitions,
        how=how,
        speed=table(speeds),
    )


def results(share: float, rows: Sequence[RunRow], found: Sequence[JointGain]) -> ComparisonTable:
    """Main metrics of all rows; of the joint ones Δm, and training time as a share of what the others took together."""
    heads = list(dict.fromkeys(head for row in rows for head in row.heads))
    names = {head: next(row.main(head) for row in rows if head in row.heads).removeprefix("test/") for head in heads}
    cells = []
    for row in rows:
        gain = next((gain for gain in found if gain.row is row), None)
        values = []
        for head in heads:
            of = gain.heads.get(head) if gain else None
            mark = WORSE_MARK[of.worse, of.clearly] if of else ""
            values.append(format_value(row.number(row.main(head)) if head in row.heads else None, mark=mark))
        delta = format_value(gain.delta, "+.3f") if gain else ""
        seconds = f"{gain.seconds:.2f}" if gain and gain.seconds is not None else ""
        cells.append([row.name, *values, delta, seconds, str(len(row.runs))])
    counts = {key.split("/")[1]: row.number(key).mean for row in rows for key in row.keys if key.endswith("/count")}
    below = [f"test samples: {', '.join(f'{head} {number:.0f}' for head, number in counts.items())}"] if counts else []
    notes = [note for gain in found for note in gain.notes]
    return ComparisonTable(
        f"{share:.0%} of the labels", ["", *names.values(), "Δm", "time", "seeds"], cells, [*below, *notes]
    )


def trend(name: str, deltas: Mapping[float, MetricNumber | None]) -> str:
    """Whether Δm grows from the largest share of labels to the smallest, by more than the seeds scatter.

    >>> trend("joint", {1.0: Number(0.01, 0.01), 0.2: Number(0.06, 0.02)})
    'joint: Δm is +0.010 ± 0.010 with 100% of the labels and +0.060 ± 0.020 with 20%: it grows as labels shrink.'
    """
    known = {share: delta for share, delta in deltas.items() if delta is not None}
    if len(known) < 2:
        return f"{name}: Δm is known for fewer than two shares of labels, so nothing can be said."
    first, last = known[max(known)], known[min(known)]
    said = (
        f"{name}: Δm is {format_value(first, '+.3f')} with {max(known):.0%} of the labels and "
        f"{format_value(last, '+.3f')} with "
        f"{min(known):.0%}"
    )
    if first.deviation is None or last.deviation is None:
        return f"{said}: with one seed nothing can be said."
    change, spread = last.mean - first.mean, math.hypot(first.deviation, last.deviation)
    if abs(change) <= spread:
        return f"{said}: the change is within the standard deviation of the seeds."
    ordered = [known[share].mean for share in sorted(known, reverse=True)]
    steps = [(later - earlier) * change > 0 for earlier, later in pairwise(ordered)]
    verdict = "it grows as labels shrink" if change > 0 else "it falls as labels shrink"
    return f"{said}: {verdict}{'' if all(steps) else ', though not at each step'}."


def _delta(found: Sequence[JointGain], name: str) -> MetricNumber | None:
    return next((gain.delta for gain in found if gain.row.name == name), None)
