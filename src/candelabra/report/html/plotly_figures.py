"""Make plotly figures as plain nodes; all text is escaped."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from candelabra.report.html.panels import CurvePanel
from candelabra.runs.curves import MetricCurve, thin_curve

_FEW = 30  # points up to which each point has a marker
PlotlyFigure = dict[str, Any]


def escape_text(words: str) -> str:
    """Escape text for plotly, whose labels support some HTML tags."""
    return html.escape(words, quote=False)


def make_panel(drawn: CurvePanel, curves: Mapping[str, MetricCurve], most: int) -> PlotlyFigure:
    """Make a figure of the curves of a panel; training curves are dotted if there are validation curves.

    Args:
        drawn: the panel.
        curves: of the run, by metric.
        most: maximal number of points per curve.
    """
    both = any(name.startswith("val/") for name in drawn.names)
    lines = []
    for name in drawn.names:
        dash = "dot" if both and name.startswith("train/") else "solid"
        lines.append({**make_line(curves[name], _shorten_name(name), most), "line": {"width": 2, "dash": dash}})
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
    """Make the trace of one curve with at most `most` points."""
    steps, values = thin_curve(curve, most)
    mode = "lines+markers" if len(steps) <= _FEW else "lines"
    marker = {"size": 9 if len(steps) < 3 else 5}  # without a line, a small one is hardly seen
    return {"type": "scatter", "mode": mode, "marker": marker, "name": escape_text(name), "x": steps, "y": values}


def overlay_curves(title: str, curves: Sequence[tuple[str, MetricCurve, bool]], most: int) -> PlotlyFigure:
    """Make a figure of one metric of several runs.

    Args:
        title: the metric.
        curves: name of the run, its curve, and whether it is the best.
        most: maximal number of points per curve.
    """
    lines = []
    for name, curve, best in sorted(curves, key=lambda each: each[2]):  # draws the best above the others
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


def _shorten_name(name: str) -> str:
    """Remove prefix and suffix that all curves of a panel share: `lr-AdamW/`, `balance/`, `/cosine`."""
    own = name.split("/", 1)[-1] if name.startswith(("lr-", "balance/")) else name
    return own.removesuffix("/cosine")
