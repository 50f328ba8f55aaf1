"""Figures as plotly's script reads them: plain nodes, whose words are text and never markup."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from candelabra.report.html.panels import CurvePanel
from candelabra.runs.curves import MetricCurve, thin_curve

_FEW = 30  # points of a curve that are marked one by one
PlotlyFigure = dict[str, Any]


def escape_text(words: str) -> str:
    """As plotly shows it: its labels take a little HTML."""
    return html.escape(words, quote=False)


def make_panel(drawn: CurvePanel, curves: Mapping[str, MetricCurve], most: int) -> PlotlyFigure:
    """Several curves of one run; what was measured in training is dashed where validation stands beside it."""
    both = any(name.startswith("val/") for name in drawn.names)
    lines = []
    for name in drawn.names:
        dash = "dot" if both and name.startswith("train/") else "solid"
        lines.append({**make_line(curves[name], _short(name), most), "line": {"width": 2, "dash": dash}})
    return {
        "data": lines,
        "layout": {
            "hovermode": "x unified",
            "xaxis": {"title": {"text": "step", "standoff": 6}},
            "yaxis": {"type": "log" if drawn.logarithmic else "linear"},
            "showlegend": True,
        },
        "label": f"{drawn.title} over steps: {', '.join(drawn.names)}",
    }


def make_line(curve: MetricCurve, name: str, most: int) -> PlotlyFigure:
    """One curve."""
    steps, values = thin_curve(curve, most)
    mode = "lines+markers" if len(steps) <= _FEW else "lines"
    return {"type": "scatter", "mode": mode, "marker": {"size": 5}, "name": escape_text(name), "x": steps, "y": values}


def overlay_curves(title: str, curves: Sequence[tuple[str, MetricCurve, bool]], most: int) -> PlotlyFigure:
    """One number of several runs.

    Args:
        title: the number.
        curves: name of the run, its curve, and whether it is the best.
        most: points of a curve.
    """
    lines = []
    for name, curve, best in sorted(curves, key=lambda each: each[2]):  # the best above the others
        drawn = make_line(curve, name, most)
        lines.append({**drawn, "line": {"width": 3.5 if best else 1.3}, "opacity": 1 if best else 0.75, "meta": best})
    return {
        "data": lines,
        "layout": {
            "hovermode": "closest",
            "hoverlabel": {"namelength": -1},
            "xaxis": {"title": {"text": "step", "standoff": 6}},
            "yaxis": {"type": "linear"},
            "showlegend": len(lines) <= 12,
        },
        "label": f"{title} over steps, of {len(lines)} runs",
    }


def _short(name: str) -> str:
    """Without what all curves of its panel share: `lr-AdamW/`, `balance/`, `/cosine`."""
    own = name.split("/", 1)[-1] if name.startswith(("lr-", "balance/")) else name
    return own.removesuffix("/cosine")
