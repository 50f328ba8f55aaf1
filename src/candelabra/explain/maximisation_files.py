"""Finds images that excite channels or an answer, and writes them beside what real images reach."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.explain.loading import read_images
from candelabra.explain.maximisation import (
    AscentSettings,
    Objective,
    compute_channel_means,
    find_largest,
    make_channel_objective,
    maximise_objective,
)
from candelabra.explain.pictures import arrange_panels
from candelabra.heads import Head
from candelabra.types import Features

_BATCH = 16  # images at once


class ExcitingImage(NamedTuple):
    """What was excited, how far, and the largest value over real images; null where there were none."""

    name: str
    reached: float
    real: float | None


def maximise_channels(
    backbone: Backbone,
    layer: str,
    channels: Sequence[int],
    side: int,
    settings: AscentSettings,
    real: Sequence[Path],
    folder: Path,
) -> list[ExcitingImage]:
    """Writes maximise.png and maximise.csv for channels of a map.

    Args:
        backbone: in evaluation mode and float32.
        layer: number of the stage, or final.
        channels: of its map.
        side: of the images, in pixels.
        settings: of the ascent.
        real: images to compare with; may be empty.
        folder: for the files.

    Raises:
        CandelabraError: there is no such map or channel.
    """
    with torch.no_grad():
        count = compute_channel_means(
            backbone, layer, torch.zeros(1, 3, side, side, device=backbone.mean.device)
        ).shape[1]
    for channel in channels:
        if not 0 <= channel < count:
            raise CandelabraError(f"channels={channel} is out of range; stage={layer} has channels 0 to {count - 1}.")

    def make(chunk: Sequence[int]) -> Objective:
        return make_channel_objective(backbone, layer, chunk)

    names = [f"channel {channel}" for channel in channels]

    def measure(images: Tensor) -> Tensor:
        return compute_channel_means(backbone, layer, images)[:, list(channels)]

    return _maximise(names, channels, make, measure, side, settings, real, folder, backbone.mean.device)


def maximise_answer(
    backbone: Backbone, head: Head, word: str, side: int, settings: AscentSettings, real: Sequence[Path], folder: Path
) -> list[ExcitingImage]:
    """Writes maximise.png and maximise.csv for one answer of a head, such as a class; see `maximise_channels`."""
    with torch.no_grad():
        features: Features = backbone(torch.full((1, 3, side, side), 0.5, device=backbone.mean.device))
        answer = head.find_answer(features, word)

    def score(images: Tensor) -> Tensor:
        return answer.score(backbone(images))

    device = backbone.mean.device
    return _maximise(
        [word], [0], lambda _: score, lambda images: score(images)[:, None], side, settings, real, folder, device
    )


def _maximise(
    names: Sequence[str],
    channels: Sequence[int],
    make: Callable[[Sequence[int]], Objective],
    measure: Callable[[Tensor], Tensor],
    side: int,
    settings: AscentSettings,
    real: Sequence[Path],
    folder: Path,
    device: torch.device,
) -> list[ExcitingImage]:
    largest: list[float] | None = None
    if real:
        singles = (image[None] for image in read_images(real, side, device))
        largest = find_largest(measure, singles)[0].tolist()
    rows, panels = [], []
    for start in range(0, len(channels), _BATCH):
        chunk = channels[start : start + _BATCH]
        found = maximise_objective(make(chunk), len(chunk), side, settings, device)
        for number, image in enumerate(found.images):
            place = start + number
            row = ExcitingImage(names[place], float(found.reached[number]), largest[place] if largest else None)
            rows.append(row)
            pixels = (image.permute(1, 2, 0) * 255).round().byte().cpu().numpy()
            words = f"{row.name}: {row.reached:.2f}" + ("" if row.real is None else f" (real {row.real:.2f})")
            panels.append((words, Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC)))
    folder.mkdir(parents=True, exist_ok=True)
    arrange_panels(panels, min(8, len(panels))).save(folder / "maximise.png")
    with (folder / "maximise.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "reached", "real"), *rows])
    return rows
