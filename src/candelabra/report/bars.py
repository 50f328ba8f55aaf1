"""Plot a comparison of runs: bars of gains over single-task models, or dots of main metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.data.glyphs import escape_formula, save_figure
from candelabra.runs.aggregation import RunRow
from candelabra.runs.joint_gain import JointGain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_comparison(rows: Sequence[RunRow], gains: Sequence[JointGain], path: Path) -> None:
    """Write the plot of a comparison: bars if there are gains, else dots.

    Args:
        rows: rows of the comparison.
        gains: of joint rows; may be empty.
        path: of the image file.
    """
    figure = draw_bars(gains) if any(gain.heads for gain in gains) else draw_dots(rows)
    save_figure(figure, path, dpi=120)


def draw_bars(gains: Sequence[JointGain]) -> "Figure":
    """Draw the relative gain of each row for each head, then Δm; grey marks the deviation of single-task seeds."""
    from matplotlib.figure import Figure

    heads = list(dict.fromkeys(head for gain in gains for head in gain.heads))
    groups = [*heads, "Δm"]
    width = 0.8 / len(gains)
    figure = Figure(figsize=(max(5.0, 2 + len(groups) * (0.6 + 0.35 * len(gains))), 4.2), layout="constrained")
    axes = figure.subplots()
    named: str | None = "single-task models, deviation of seeds"
    for number, gain in enumerate(gains):
        values = [gain.heads[head].gain if head in gain.heads else None for head in heads] + [gain.delta]
        places = [place - 0.4 + width * (number + 0.5) for place in range(len(groups))]
        known = [(place, value) for place, value in zip(places, values, strict=True) if value]
        where, means = [place for place, _ in known], [value.mean for _, value in known]
        spreads = [value.deviation or 0 for _, value in known]
        for place, head in zip(places, heads, strict=False):
            alone = gain.heads[head].spread if head in gain.heads else None
            if alone:
                axes.bar(place, 2 * alone, width, -alone, color="0.88", zorder=0, label=named)
                named = None
        drawn = axes.bar(
            where, means, width * 0.92, yerr=spreads, capsize=3, ecolor="0.25", label=escape_formula(gain.row.name)
        )
        if len(gains) <= 4:
            axes.bar_label(drawn, [f"{mean:+.3f}" for mean in means], fontsize=8, padding=2)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axvline(len(heads) - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(groups)), groups)
    axes.margins(y=0.15)
    axes.set_ylabel("relative gain; below 0 is worse")
    axes.set_title("joint training against single-task models")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def draw_dots(rows: Sequence[RunRow]) -> "Figure":
    """Draw one panel per head and one line per row: the seeds, and mean with standard deviation."""
    from matplotlib.figure import Figure

    heads = list(dict.fromkeys(head for row in rows for head in row.heads))
    figure = Figure(figsize=(2.2 + 3.4 * max(1, len(heads)), 1.4 + 0.4 * len(rows)), layout="constrained")
    panels = figure.subplots(1, max(1, len(heads)), sharey=True, squeeze=False)[0]
    panels[0].set_yticks(range(len(rows)), [escape_formula(row.name) for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    for axes, head in zip(panels, heads, strict=False):
        for place, row in enumerate(rows):
            if head not in row.heads:
                continue
            value = row.number(row.main(head))
            values = row.values(row.main(head))
            axes.errorbar(value.mean, place, xerr=value.deviation, fmt="o", color="C0", capsize=3)
            if len(values) > 1:
                axes.plot(values, [place] * len(values), "|", color="0.3", markersize=9)
        first = next(row for row in rows if head in row.heads)
        metric = first.main(head).removeprefix("test/")
        axes.set_xlabel(f"test {metric}" + (" (lower is better)" if first.is_lower_better(head) else ""))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(alpha=0.3)
    figure.suptitle("dot and bar: mean ± standard deviation; strokes: the seeds", fontsize=9)
    return figure
