"""Draw labels and predictions on images."""

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

from candelabra.data.glyphs import choose_image_font, replace_missing_glyphs
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.targets import Labels, Target
from candelabra.report.legend import add_legend
from candelabra.report.plots import draw_confusion, draw_precision_recall, draw_predicted_numbers
from candelabra.report.tables import print_class_table
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SHOWN = 12  # images in predictions.png
_LETTERS = (8, 11)  # least heights of letters in captions, in pixels: of words that do not fit, and of others
_LINE = 18  # pixels of a line above pictures
_GAP = 2  # pixels between truth and prediction
_PAIRS = "each pair: truth on the left, prediction on the right with the true box and points in white"


def write_pictures(
    task: Task, data: SampleDataModule, tables: Mapping[str, Tensor], folder: Path, split: str = "test"
) -> None:
    """Write predictions, confusion matrices and curves of precision to `pictures/`, and tables of classes.

    Args:
        task: trained.
        data: set up.
        tables: confusion matrices by name, `test/<head>/confusion`, for several labels an image what torchmetrics
            counts of each class, `test/<head>/class_counts`, pairs of labels and predicted numbers,
            `test/<head>/pairs`, and of detectors average precisions of classes,
            `test/<head>/ap`, and their `curves`; those of other splits are left out.
        folder: for the files.
        split: that was tested.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    prepared = data.dataset(split)
    samples = [prepared[index] for index in data.spread_positions(split, _SHOWN)]
    task.eval()
    if samples:
        draw_grid(samples, predict_samples(task, samples), data.labels, pictures / "predictions.png", task.head_targets)
    for name, matrix in tables.items():
        tested, head, kind = name.split("/")
        if tested == "test" and kind == "pairs":
            draw_predicted_numbers(matrix, task.head_targets[head].table_header(), pictures / f"{head}_scatter.png")
        if tested == "test" and kind == "confusion":
            classes = task.head_targets[head].confusion_classes
            draw_confusion(matrix, classes, pictures / f"{head}_confusion.png")
            more: dict[str, Tensor] = {}
            if f"{tested}/{head}/curves" in tables:
                scores = next(buffer for key, buffer in task.heads[head].named_buffers() if key.endswith("thresholds"))
                curves = tables[f"{tested}/{head}/curves"]
                draw_precision_recall(curves, scores.cpu(), classes, pictures / f"{head}_precision_recall.png")
                more = {
                    **dict(zip(("ap", "ap50"), tables[f"{tested}/{head}/ap"].T, strict=True)),
                    "score": scores.cpu(),
                }
            counts = (matrix.diagonal(), matrix.sum(0), matrix.sum(1))
            print_class_table(counts, classes, folder / f"{head}_classes.csv", more)
        if tested == "test" and kind == "class_counts":
            right, wrong, _, _, true = matrix.T
            classes = task.head_targets[head].confusion_classes
            print_class_table((right, right + wrong, true), classes, folder / f"{head}_classes.csv")


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


def draw_sample(
    pixels: NDArray[np.uint8],
    values: Mapping[str, Tensor],
    targets: Mapping[str, Target],
    truth: Mapping[str, Tensor] | None = None,
) -> Image.Image:
    """Draw the values of targets on an image, and their captions in its corner.

    Args:
        pixels: (H, W, 3).
        values: by name of the target, or of the head that predicted them.
        targets: by the same names.
        truth: labels, by name of the target, that are drawn in white above predictions.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    drawn = sorted(set(values) & set(targets), key=lambda name: targets[name].layer)
    for name in drawn:
        picture = targets[name].draw(picture, values[name])
    for target in {targets[name].name: targets[name] for name in drawn}.values():
        if truth is not None and target.name in truth:
            picture = target.draw_truth(picture, truth[target.name])
    write_caption(picture, caption_sample(values, targets))
    return picture


def write_caption(picture: Image.Image, words: str) -> None:
    """Write a line in the corner of a picture, as large as the picture asks for; cut where it does not fit."""
    words = replace_missing_glyphs(words)
    if not words:
        return
    brush, size = ImageDraw.Draw(picture), max(_LETTERS[1], round(max(picture.size) / 32))
    room = picture.width - size // 2
    font = choose_image_font(words, size)
    while brush.textlength(words, font) > room and size > _LETTERS[0]:
        size -= 1
        font = choose_image_font(words, size)
    if brush.textlength(words, font) > room:
        while len(words) > 1 and brush.textlength(f"{words}...", font) > room:
            words = words[:-1]
        words = f"{words.rstrip()}..."
    margin = max(2, size // 4)
    *_, right, bottom = brush.textbbox((margin, margin), words, font)
    brush.rectangle((0, 0, right + margin, bottom + margin), fill=(0, 0, 0))
    brush.text((margin, margin), words, fill=(255, 255, 255), font=font)


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
    titles: Sequence[str] = (),
) -> None:
    """Write a picture of samples; see `draw_sheet`."""
    draw_sheet(samples, predicted, labels, targets, side, titles).save(path)


def draw_sheet(
    samples: Sequence[Sample],
    predicted: Sequence[Mapping[str, Tensor]] | None,
    labels: Labels,
    targets: Mapping[str, Target] | None = None,
    side: int = 224,
    titles: Sequence[str] = (),
) -> Image.Image:
    """Draw samples with their labels; with predictions, truth and prediction side by side.

    The prediction of a head is drawn where the sample has a label for it.

    Args:
        samples: preprocessed, as the model takes them.
        predicted: for each sample, the prediction of each head; null draws the truth only.
        labels: targets of the samples.
        targets: targets of the predictions, by head; null if heads are named after targets.
        side: longer side of each picture, in pixels.
        titles: a line above each sample; empty for none.
    """
    targets = labels if targets is None else targets
    tiles = []
    for row, sample in enumerate(samples):
        pixels = sample["image"].permute(1, 2, 0).numpy()
        values: dict[str, Any] = {key: value for key, value in sample.items() if key in labels}
        known = {key: value for key, value in values.items() if bool(labels[key].is_labelled(value[None]).all())}
        large, truth = enlarge_sample(pixels, known, labels, side)
        pair = [draw_sample(large, truth, labels)]
        if predicted is not None:
            heads = [name for name in predicted[row] if name in targets and _is_labelled(sample, targets[name])]
            found = {name: predicted[row][name] for name in heads}
            pair.append(draw_sample(*enlarge_sample(pixels, found, targets, side), targets, truth))
        tiles.append(_join_pictures(pair, titles[row] if titles else ""))
    sheet = _arrange_tiles(tiles, 4 if predicted is None else 3, _PAIRS if predicted is not None else "")
    return add_legend(sheet, list(dict.fromkeys(entry for target in labels.values() for entry in target.legend)))


def _is_labelled(sample: Sample, target: Target) -> bool:
    return target.name in sample and bool(target.is_labelled(sample[target.name][None]).all())


def _join_pictures(pictures: Sequence[Image.Image], title: str) -> Image.Image:
    """Pictures of one size beside each other, below a line of words."""
    width, height = pictures[0].size
    top = _LINE if title else 0
    tile = Image.new("RGB", (len(pictures) * (width + _GAP), height + _GAP + top), (255, 255, 255))
    for place, one in enumerate(pictures):
        tile.paste(one, (place * (width + _GAP), top))
    if title:
        _write_line(tile, title, (0, 0))
    return tile


def _arrange_tiles(tiles: Sequence[Image.Image], columns: int, title: str) -> Image.Image:
    top = _LINE if title else 0
    width, height = max(tile.width for tile in tiles) + 6, max(tile.height for tile in tiles) + 4
    columns = min(columns, len(tiles))
    whole = Image.new("RGB", (columns * width, math.ceil(len(tiles) / columns) * height + top), (255, 255, 255))
    for place, tile in enumerate(tiles):
        whole.paste(tile, (place % columns * width, place // columns * height + top))
    if title:
        _write_line(whole, title, (4, 0))
    return whole


def _write_line(picture: Image.Image, words: str, corner: tuple[int, int]) -> None:
    words = replace_missing_glyphs(words)
    ImageDraw.Draw(picture).text(corner, words, fill=(0, 0, 0), font=choose_image_font(words, _LINE - 5))


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
