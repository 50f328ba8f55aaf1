"""Plots of a run with matplotlib: confusion matrices and learning curves."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from candelabra.data.glyphs import escape_formula, save_figure
from candelabra.runs.head_metrics import HeadSummaries, is_count

_NAMED = 12  # classes in a legend
_FEW = 30  # points of a curve, up to which each has a marker


def draw_confusion(matrix: Tensor, classes: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix.

    Args:
        matrix: (classes, classes) counts; rows are true classes, columns predicted ones. Each row is drawn as shares.
        classes: names.
        path: of the picture.
    """
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    shares = (matrix / matrix.sum(1, keepdim=True).clamp(min=1)).numpy()
    side = min(14, 2.5 + 0.45 * len(classes))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    display = ConfusionMatrixDisplay(shares, display_labels=[escape_formula(name) for name in classes])
    display.plot(
        ax=axes,
        cmap="Blues",
        include_values=len(classes) <= 12,
        values_format=".2f",
        xticks_rotation="vertical",
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        text_kw={"fontsize": 8},
    )
    if display.text_ is not None:  # scikit-learn assumes another colour range; its text is unreadable here
        for text, share in zip(display.text_.flat, shares.flat, strict=True):
            text.set_color("white" if share > 0.5 else "black")
    if len(classes) > 40:  # their names would overlap
        axes.set(xticks=[], yticks=[])
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(display.im_, shrink=0.7, label="share of the true class")
    save_figure(figure, path, dpi=110)


def draw_predicted_numbers(pairs: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw predicted numbers over true ones, a plot for each number, with the line where both are equal.

    Args:
        pairs: (M, K, 2) labels and predictions, NaN where unknown.
        names: of the K numbers.
        path: of the picture.
    """
    from matplotlib.figure import Figure
    from sklearn.metrics import PredictionErrorDisplay

    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, name, pair in zip(grid, names, pairs.numpy().transpose(1, 0, 2), strict=False):
        known = pair[np.isfinite(pair).all(1)]
        if len(known):
            display = PredictionErrorDisplay(y_true=known[:, 0], y_pred=known[:, 1])
            display.plot(ax=axes, kind="actual_vs_predicted", scatter_kwargs={"s": 8, "alpha": 0.4})
        axes.set(xlabel="predicted", ylabel="true", title=escape_formula(name))
        axes.grid(alpha=0.3)
    for axes in list(grid)[len(names) :]:
        axes.remove()
    save_figure(figure, path, dpi=110)


def draw_precision_recall(curves: Tensor, thresholds: Tensor, classes: Sequence[str], path: Path) -> None:
    """Draw precision over recall of each class, with a dot where its detections are cut off.

    Args:
        curves: (C, 2, R) precision and least score at R recalls from 0 to 1; NaN for a class without an object.
        thresholds: (C,) the least score of detections that are shown.
        classes: names.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    recall = np.linspace(0, 1, curves.shape[-1])
    measured = [number for number, curve in enumerate(curves) if not curve.isnan().any()]
    for number in measured:
        precision, scores = curves[number].numpy()
        threshold = float(thresholds[number])
        words = f"{classes[number]}: AP50 {precision.mean():.2f}, score {threshold:.2f}"
        alone = len(measured) <= _NAMED
        (line,) = axes.plot(
            recall, precision, label=escape_formula(words) if alone else None, alpha=1 if alone else 0.4
        )
        reached = np.flatnonzero((scores >= threshold) & (precision > 0))
        if len(reached):
            axes.plot(recall[reached[-1]], precision[reached[-1]], "o", color=line.get_color())
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision at an IoU of 0.5")
    axes.grid(alpha=0.3)
    if 0 < len(measured) <= _NAMED:
        axes.legend(fontsize=7, loc="lower left")
    save_figure(figure, path, dpi=110)


def draw_curves(folder: Path, summaries: HeadSummaries) -> None:
    """Draw pictures/curves.png from metrics.csv, if it exists: losses, metrics of each head, balance weights.

    Args:
        folder: of the run.
        summaries: of the metrics of each head.
    """
    metrics = folder / "metrics.csv"
    if not metrics.is_file():
        return
    from matplotlib.figure import Figure

    with metrics.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith(("train/", "val/"))]
    heads = dict.fromkeys(name.split("/")[1] for name in names if name.count("/") == 2)
    panels = {"loss": [name for name in names if name.endswith("/loss")]}
    for head in heads:
        own = [name for name in names if name.startswith(f"val/{head}/") and not name.endswith("/loss")]
        panels[head] = [name for name in own if not is_count(name, summaries)]
    weights = [name for name in rows[0] if name.startswith("balance/") and name.count("/") == 1]
    panels["balance"] = [name for name in weights if len({row[name] for row in rows if row[name]}) > 1]
    panels["cosine of gradients"] = [name for name in rows[0] if name.endswith("/cosine")]
    panels = {title: lines for title, lines in panels.items() if lines}
    figure = Figure(figsize=(4.5 * len(panels), 3.6), layout="constrained")
    for axes, (title, lines) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        for name in lines:
            points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
            if points:
                marker = "o" if len(points) <= _FEW else None
                axes.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=4)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    (folder / "pictures").mkdir(exist_ok=True)
    save_figure(figure, folder / "pictures" / "curves.png", dpi=110)
