"""Figures of a sweep: objectives against overrides."""

import math
from collections.abc import Sequence
from typing import Any

from candelabra.report.html.plotly_figures import PlotlyFigure, escape_text
from candelabra.report.html.run_collection import CollectedRun, RunCollection

_MOST = 12  # maximal number of axes
_WORDS = 40  # maximal number of values on a categorical axis
_SHORT = 24  # maximal characters of a tick label
_SCALE = [[0, "#8fb3d9"], [0.5, "#e0a030"], [1, "#d0321f"]]  # worst to best, visible on white and on black
_WIDE = 50  # ratio of largest to smallest value from which an axis is logarithmic


def draw_parallel_coordinates(found: RunCollection) -> PlotlyFigure | None:
    """Draw parallel coordinates: one line per run, from its overrides to its objectives.

    Runs without objectives are left out.

    Returns:
        The figure; null if fewer than two runs have objectives or no override differs.
    """
    entries = list_complete_jobs(found)
    keys = [
        key
        for key in found.keys
        if 1 < len({entry.words.get(key) for entry in entries}) <= max(_WORDS, _count_if_numeric(entries, key))
    ]
    if len(entries) < 2 or not keys:
        return None
    axes = [
        _make_axis(key, [entry.words.get(key, "") for entry in entries])
        for key in keys[: _MOST - len(found.objectives)]
    ]
    axes += [
        {"label": escape_text(key), "values": [entry.values[key] for entry in entries]} for key in found.objectives
    ]
    first, way = next(iter(found.objectives.items()))
    colour = {
        "color": [entry.values[first] for entry in entries],
        "colorscale": _SCALE,
        "reversescale": way == "minimize",
        "showscale": True,
        "colorbar": {"thickness": 12, "title": {"text": escape_text(first), "side": "right"}},
    }
    return {
        "data": [
            {
                "type": "parcoords",
                "line": colour,
                "dimensions": axes,
                "labelfont": {"size": 13},
                "tickfont": {"size": 11},
            }
        ],
        "layout": {"margin": {"l": 130, "r": 60, "t": 50, "b": 20}},
        "label": f"parallel coordinates of {len(entries)} runs: {', '.join([*keys, *found.objectives])}",
        "width": 150 * len(axes) + 200,
    }


def draw_outcomes(found: RunCollection) -> PlotlyFigure | None:
    """Draw one objective over the runs in order, or two objectives against each other; mark the best runs."""
    entries = list_complete_jobs(found)
    if len(entries) < 2:
        return None
    names = list(found.objectives)
    down, across = names[-1], names[:-1]
    best = set(found.best)
    across_values = [
        entry.values[across[0]] if across else place for place, entry in enumerate(found.entries) if entry in entries
    ]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": across_values,
        "y": [entry.values[down] for entry in entries],
        "text": [escape_text(entry.label) for entry in entries],
        "hovertemplate": "%{text}<br>%{x:.5g}, %{y:.5g}<extra></extra>",
        "marker": {
            "size": [12 if entry in best else 7 for entry in entries],
            "symbol": ["star" if entry in best else "circle" for entry in entries],
        },
    }
    return {
        "data": [points],
        "layout": {
            "hovermode": "closest",
            "xaxis": {"title": {"text": escape_text(across[0])}} if across else _make_run_axis(len(found.entries)),
            "yaxis": {"type": "linear", "title": {"text": escape_text(down)}},
            "showlegend": False,
        },
        "label": f"{down} over {across[0] if across else 'runs'}",
    }


def _make_run_axis(count: int) -> dict[str, Any]:
    """Return an axis for the numbers of runs."""
    return {"title": {"text": "run"}, "dtick": max(1, count // 10)}


def list_complete_jobs(found: RunCollection) -> list[CollectedRun]:
    """Return the runs that have values of all objectives."""
    return [entry for entry in found.entries if found.objectives.keys() <= entry.values.keys()]


def _make_axis(key: str, words: Sequence[str]) -> dict[str, Any]:
    """An axis of parallel coordinates: numeric (logarithmic over decades), else one tick per value.

    Plotly renders HTML in `label`, which is escaped, and plain text in `ticktext`, which is not.
    """
    numbers = [_parse_number(word) for word in words]
    values = [number for number in numbers if number is not None]
    label = escape_text(key)
    if len(values) < len(words):
        names = sorted(set(words))
        places = {name: place for place, name in enumerate(names)}
        shown = [name if len(name) <= _SHORT else f"{name[: _SHORT - 3]}..." for name in names]
        return {
            "label": label,
            "values": [places[word] for word in words],
            "tickvals": [*places.values()],
            "ticktext": shown,
        }
    if min(values) > 0 and max(values) / min(values) >= _WIDE:
        low, high = math.log10(min(values)), math.log10(max(values))
        ticks = sorted({low, high, *range(math.ceil(low), math.floor(high) + 1)})
        shown = [f"{10**tick:.2g}" for tick in ticks]
        return {"label": label, "values": [math.log10(value) for value in values], "tickvals": ticks, "ticktext": shown}
    return {"label": label, "values": values}


def _count_if_numeric(entries: Sequence[CollectedRun], key: str) -> int:
    """Return the number of runs if all their values of a key are numbers, else 0."""
    return len(entries) if all(_parse_number(entry.words.get(key, "")) is not None for entry in entries) else 0


def _parse_number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
