"""Draw predictions beside the truth, confusion matrices and learning curves."""

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.targets import Labels, Target
from candelabra.report.glyphs import choose_image_font, escape_formula, replace_missing_glyphs, save_figure
from candelabra.report.tables import print_class_table
from candelabra.runs.head_metrics import HeadSummaries, is_count
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SHOWN = 12  # test images in predictions.png


def write_pictures(task: Task, data: SampleDataModule, tables: Mapping[str, Tensor], folder: Path) -> None:
    """Write predictions and confusion matrices on test to `pictures/`, and tables of classes.

    Args:
        task: trained.
        data: set up.
        tables: confusion matrices by name, `<split>/<head>/confusion`.
        folder: of the run.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    prepared = data.dataset("test")
    samples = [prepared[index] for index in data.spread_positions("test", _SHOWN)]
    task.eval()
    if samples:
        draw_grid(samples, predict_samples(task, samples), data.labels, pictures / "predictions.png", task.head_targets)
    for name, matrix in tables.items():
        split, head, kind = name.split("/")
        if split == "test" and kind == "confusion":
            classes = task.head_targets[head].confusion_classes
            draw_confusion(matrix, classes, pictures / f"{head}_confusion.png")
            print_class_table(matrix, classes, folder / f"{head}_classes.csv")


@torch.inference_mode()
def predict_samples(task: Task, samples: Sequence[Sample]) -> list[dict[str, Tensor]]:
    """Predict samples with a task in evaluation mode; see `Task.predictions`.

    Returns:
        For each sample, the prediction of each head, float32 on the CPU.
    """
    found: list[dict[str, Tensor]] = []
    for _, group in groupby(samples, lambda sample: sample["image"].shape):
        images = torch.stack([sample["image"] for sample in group])
        values = task.predictions(images.to(task.device))
        found += [{name: value[row].float().cpu() for name, value in values.items()} for row in range(len(images))]
    return found


def draw_sample(pixels: NDArray[np.uint8], values: Mapping[str, Tensor], targets: Mapping[str, Target]) -> Image.Image:
    """Draw the values of targets on an image, and their captions in its corner.

    Args:
        pixels: (H, W, 3).
        values: by name of the target, or of the head that predicted them.
        targets: by the same names.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    for name in sorted(set(values) & set(targets), key=lambda name: targets[name].layer):
        picture = targets[name].draw(picture, values[name])
    words = replace_missing_glyphs(caption_sample(values, targets))
    if words:
        brush, font = ImageDraw.Draw(picture), choose_image_font(words)
        brush.rectangle((0, 0, brush.textlength(words, font) + 6, 13), fill=(0, 0, 0))
        brush.text((3, 1), words, fill=(255, 255, 255), font=font)
    return picture


def caption_sample(values: Mapping[str, Any], targets: Mapping[str, Target]) -> str:
    """Join the captions of targets, such as a class with its probability."""
    captions = (target.caption(values[name]) for name, target in targets.items() if name in values)
    return ", ".join(caption for caption in captions if caption)


def draw_grid(
    samples: Sequence[Sample],
    predicted: Sequence[Mapping[str, Tensor]] | None,
    labels: Labels,
    path: Path,
    targets: Mapping[str, Target] | None = None,
    side: int = 224,
) -> None:
    """Write a picture of samples; see `draw_sheet`."""
    draw_sheet(samples, predicted, labels, targets, side).save(path)


def draw_sheet(
    samples: Sequence[Sample],
    predicted: Sequence[Mapping[str, Tensor]] | None,
    labels: Labels,
    targets: Mapping[str, Target] | None = None,
    side: int = 224,
) -> Image.Image:
    """Draw samples with their labels; with predictions, truth and prediction side by side.

    Args:
        samples: preprocessed, as the model takes them.
        predicted: for each sample, the prediction of each head; null draws the truth only.
        labels: targets of the samples.
        targets: targets of the predictions, by head; null if heads are named after targets.
        side: longer side of each picture, in pixels.
    """
    targets = labels if targets is None else targets
    tiles = []
    for row, sample in enumerate(samples):
        pixels = sample["image"].permute(1, 2, 0).numpy()
        truth: dict[str, Any] = {key: value for key, value in sample.items() if key != "image"}
        pair = [draw_sample(*enlarge_sample(pixels, truth, labels, side), labels)]
        if predicted is not None:
            pair.append(draw_sample(*enlarge_sample(pixels, predicted[row], targets, side), targets))
        tile = Image.new("RGB", (sum(one.width for one in pair) + 2 * len(pair), pair[0].height + 2), (255, 255, 255))
        for place, one in enumerate(pair):
            tile.paste(one, (place * (one.width + 2), 0))
        tiles.append(tile)
    columns = 4 if predicted is None else 3
    rows = math.ceil(len(tiles) / columns)
    top = 16 if predicted is not None else 0
    width, height = max(tile.width for tile in tiles) + 6, max(tile.height for tile in tiles) + 4
    whole = Image.new("RGB", (columns * width, rows * height + top), (255, 255, 255))
    for place, tile in enumerate(tiles):
        whole.paste(tile, (place % columns * width, place // columns * height + top))
    if top:
        ImageDraw.Draw(whole).text((4, 2), "each pair: truth on the left, prediction on the right", fill=(0, 0, 0))
    return whole


def enlarge_sample(
    pixels: NDArray[np.uint8], values: Mapping[str, Tensor], targets: Mapping[str, Target], side: int
) -> tuple[NDArray[np.uint8], dict[str, Tensor]]:
    """Scale an image (H, W, 3) and the values of its targets so that the longer side has `side` pixels."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    size = (round(height * factor), round(width * factor))
    scaled = {name: target.enlarge(values[name], factor, size) for name, target in targets.items() if name in values}
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(pixels)).resize(size[::-1], Image.Resampling.BILINEAR)
    ), scaled


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
                axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 30 else None)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    (folder / "pictures").mkdir(exist_ok=True)
    save_figure(figure, folder / "pictures" / "curves.png", dpi=110)
