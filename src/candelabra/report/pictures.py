"""Pictures: predictions beside truth, confusion matrices, learning curves."""

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

from candelabra.data.loading.datamodule import DataModule
from candelabra.report.tables import print_class_table
from candelabra.runs.overrides import COUNT_METRICS
from candelabra.tasks.task import Task
from candelabra.types import IGNORED, Labels, Sample

_SHOWN = 12  # test images in the picture of predictions
_COLOURS = [
    (230, 70, 60),
    (60, 130, 230),
    (70, 180, 90),
    (240, 180, 40),
    (150, 90, 200),
    (60, 190, 200),
    (240, 120, 180),
]


def write_pictures(task: Task, data: DataModule, tables: Mapping[str, Tensor], folder: Path) -> None:
    """Pictures of predictions and confusion matrices, with a table of classes, below `folder`."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    prepared = data.prepared("test")
    samples = [prepared[index] for index in data.chosen("test", _SHOWN)]
    task.eval()
    draw_grid(samples, predict_samples(task, samples), data.labels, pictures / "predictions.png")
    for name, matrix in tables.items():
        split, head, kind = name.split("/")
        if split == "test" and kind == "confusion":
            classes = data.labels.classes if head == "label" else data.labels.mask_classes
            draw_confusion(matrix, classes, pictures / f"{head}_confusion.png")
            print_class_table(matrix, classes, folder / f"{head}_classes.csv")


@torch.inference_mode()
def predict_samples(task: Task, samples: Sequence[Sample]) -> list[dict[str, Tensor]]:
    """What a task, in evaluation, says of each sample, on the CPU; see `Task.predictions`."""
    found: list[dict[str, Tensor]] = []
    for _, group in groupby(samples, lambda sample: sample["image"].shape):
        images = torch.stack([sample["image"] for sample in group])
        values = task.predictions(images.to(task.device))
        found += [{name: value[row].float().cpu() for name, value in values.items()} for row in range(len(images))]
    return found


def draw_sample(pixels: NDArray[np.uint8], found: Mapping[str, Tensor], labels: Labels) -> Image.Image:
    """An image (H, W, 3) with class, box, points and mask drawn on it."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    if "mask" in found:
        mask = found["mask"].numpy().astype(np.uint8)
        tint = np.asarray(image, dtype=np.float32).copy()
        for value in np.unique(mask):
            if value not in (0, IGNORED):
                tint[mask == value] = 0.5 * tint[mask == value] + 0.5 * np.array(_COLOURS[(value - 1) % len(_COLOURS)])
        image = Image.fromarray(tint.astype(np.uint8))
    brush = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / 160))
    if "box" in found and not found["box"].isnan().any():
        brush.rectangle(found["box"].tolist(), outline=(255, 230, 0), width=line)
    for x, y in found["keypoints"].tolist() if "keypoints" in found else []:
        if not math.isnan(x):
            brush.ellipse((x - line, y - line, x + line, y + line), fill=(0, 255, 140), outline=(0, 0, 0))
    words = caption_sample(found, labels)
    if words:
        brush.rectangle((0, 0, brush.textlength(words) + 6, 13), fill=(0, 0, 0))
        brush.text((3, 1), words, fill=(255, 255, 255))
    return image


def caption_sample(found: Mapping[str, Tensor], labels: Labels) -> str:
    """The class in words, with its probability where it is a prediction."""
    if "label" not in found:
        return ""
    label = found["label"]
    if labels.multilabel:
        return ", ".join(name for name, share in zip(labels.classes, label.tolist(), strict=True) if share > 0.5)
    if label.ndim:
        return f"{labels.classes[int(label.argmax())]} {label.max():.2f}"
    return labels.classes[int(label)] if label >= 0 else ""


def save_masks(mask: Tensor, path: Path) -> None:
    """Writes class indices (H, W) as a PNG of one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.numpy()).save(path)


def draw_grid(
    samples: Sequence[Sample],
    predicted: Sequence[Mapping[str, Tensor]] | None,
    labels: Labels,
    path: Path,
    side: int = 224,
) -> None:
    """Writes a picture of samples; see `draw_sheet`."""
    draw_sheet(samples, predicted, labels, side).save(path)


def draw_sheet(
    samples: Sequence[Sample], predicted: Sequence[Mapping[str, Tensor]] | None, labels: Labels, side: int = 224
) -> Image.Image:
    """Draws samples with their labels; with predictions, truth and prediction stand side by side."""
    tiles = []
    for row, sample in enumerate(samples):
        pixels = sample["image"].permute(1, 2, 0).numpy()
        truth: dict[str, Any] = {key: value for key, value in sample.items() if key != "image"}
        pair = [draw_sample(*enlarge_sample(pixels, truth, side), labels)]
        if predicted is not None:
            pair.append(draw_sample(*enlarge_sample(pixels, predicted[row], side), labels))
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
    pixels: NDArray[np.uint8], found: Mapping[str, Tensor], side: int
) -> tuple[NDArray[np.uint8], dict[str, Tensor]]:
    """Scaled so that the longer side has `side` pixels, labels alike."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    size = (round(width * factor), round(height * factor))
    scaled = dict(found)
    for key in ("box", "keypoints"):
        if key in scaled:
            scaled[key] = scaled[key] * factor
    if "mask" in scaled:
        mask = Image.fromarray(scaled["mask"].numpy().astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        scaled["mask"] = torch.from_numpy(np.array(mask))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)), scaled


def draw_confusion(matrix: Tensor, classes: Sequence[str], path: Path) -> None:
    """Writes a confusion matrix as a picture.

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
    display = ConfusionMatrixDisplay(shares, display_labels=classes)
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
    if display.text_ is not None:  # scikit-learn's own colours cannot be read here: its scale is not from 0 to 1
        for text, share in zip(display.text_.flat, shares.flat, strict=True):
            text.set_color("white" if share > 0.5 else "black")
    if len(classes) > 40:  # their names would overlap
        axes.set(xticks=[], yticks=[])
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(display.im_, shrink=0.7, label="share of the true class")
    figure.savefig(path, dpi=110)


def draw_curves(folder: Path) -> None:
    """Draws pictures/curves.png from metrics.csv, where there is one: losses, each target, what balanced them."""
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
        panels[head] = [n for n in names if n.startswith(f"val/{head}/") and not n.endswith(("/loss", *COUNT_METRICS))]
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
    figure.savefig(folder / "pictures" / "curves.png", dpi=110)
