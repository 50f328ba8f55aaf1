"""Draws embedded images as points, coloured by label and by cluster."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.glyphs import replace_missing_glyphs, save_figure
from candelabra.embeddings.projection.projection import ProjectedPoints

_LEGEND = 20  # groups that have a name in the picture; the largest ones


def draw_scatter(points: ProjectedPoints, panels: Mapping[str, NDArray[np.object_]], path: Path) -> None:
    """Draws one panel for each column of groups.

    Args:
        points: (n, 2).
        panels: (n,) the group of each point in words, "" for none, by the title of the panel.
        path: of the picture.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5 * len(panels), 6), layout="constrained")
    for axes, (title, groups) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        names, counts = np.unique(groups[groups != ""], return_counts=True)
        largest = names[np.argsort(-counts, kind="stable")][:_LEGEND]
        colours = colormaps["tab10" if len(largest) <= 10 else "tab20"]
        others = ~np.isin(groups, largest)
        size = float(np.clip(8000 / len(points), 3, 30))
        if others.any():
            axes.scatter(*points[others].T, s=size / 2, color="lightgrey", label="others", linewidths=0)
        for number, name in enumerate(sorted(largest)):
            here = points[groups == name]
            axes.scatter(
                *here.T, s=size, color=colours(number), alpha=0.8, label=_make_legend_label(name), linewidths=0
            )
        axes.set_title(replace_missing_glyphs(title), parse_math=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
        legend = axes.legend(fontsize=8, markerscale=1.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path, dpi=120)


def _make_legend_label(name: str) -> str:
    """A name that matplotlib shows in a legend: it hides those that begin with an underscore."""
    label = replace_missing_glyphs(name)
    return f" {label}" if label.startswith("_") else label
