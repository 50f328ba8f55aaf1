"""Fools a classifier with images of a source, and writes before, after, difference and the success rate."""

import csv
import logging
import statistics
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.adversarial import draw_wanted_classes, find_fooling_images
from candelabra.explain.loading import scale_image
from candelabra.explain.pictures import arrange_panels, scale_pixels
from candelabra.heads import Head
from candelabra.prediction.model import Model
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json
from candelabra.types import Features

log = logging.getLogger(__name__)
_BATCH, _SHOWN = 16, 24  # images at once, pictures


class FoolReport(NamedTuple):
    """How many images there were and were fooled, and the median of the smallest bounds that sufficed, of 255.

    The median is that of the images that were fooled; null where none was.
    """

    images: int
    fooled: int
    median: float | None


def fool_images(
    model: Model,
    head: Head,
    paths: Sequence[Path],
    names: Sequence[str],
    epsilon: float,
    target: str | None,
    folder: Path,
) -> FoolReport:
    """Writes pictures/<name>.png of the first images, fool.csv and fool.json.

    Args:
        model: see `load_explained`.
        head: of it, that tells one class an image.
        paths: image files.
        names: of their pictures.
        epsilon: the largest change of a pixel, of 255.
        target: the class to be taken for; null for one at random, another for each image.
        folder: for the files.

    Raises:
        CandelabraError: the head tells no class, or the target is none.
    """
    classes = head.target_info.classes
    compute_logits = make_logits(model, head)
    if target is not None and target not in classes:
        raise CandelabraError(f"target={target} is no class of this head; allowed are {list_nearest(target, classes)}.")
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    by_path = dict(zip(map(str, paths), names, strict=True))
    rows: list[tuple[str, str, str, bool, float]] = []
    unreadable: list[tuple[str, str]] = []
    prepared = (
        (given.name, scale_image(image, model.device)) for given, image, _ in model.prepare(list(paths), unreadable)
    )
    while chunk := list(islice(prepared, _BATCH)):
        images = torch.stack([image for _, image in chunk])
        with torch.no_grad():
            before = compute_logits(images).argmax(1)
        wanted = draw_wanted_classes(before, len(classes), len(rows))
        if target is not None:
            wanted = torch.full_like(before, classes.index(target))
        found = find_fooling_images(compute_logits, images, wanted, epsilon / 255)
        for number, (name, image) in enumerate(chunk):
            if int(before[number]) == int(wanted[number]):
                continue  # it is taken for the target already
            first, second = classes[int(before[number])], classes[int(wanted[number])]
            fooled, bound = bool(found.fooled[number]), float(found.epsilons[number]) * 255
            rows.append((name, first, second, fooled, bound))
            if len(rows) <= _SHOWN:
                sheet = _draw_change(image, found.images[number], first, second if fooled else first, bound)
                sheet.save(folder / "pictures" / f"{by_path[name]}.png")
    for name, problem in unreadable:
        log.warning("%s cannot be read and is left out: %s", name, problem)
    if not rows:
        raise CandelabraError(f"No image is taken for anything but target={target}, or none can be read.")
    with (folder / "fool.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([("image", "before", "target", "fooled", "epsilon"), *rows])
    bounds = [bound for *_, fooled, bound in rows if fooled]
    report = FoolReport(len(rows), len(bounds), statistics.median(bounds) if bounds else None)
    content = {**report._asdict(), "epsilon": epsilon, "rate": report.fooled / report.images}
    write_atomically(folder / "fool.json", format_json(content))
    return report


def make_logits(model: Model, head: Head) -> Callable[[Tensor], Tensor]:
    """Images (N, 3, H, W) in [0, 1] -> logits (N, classes) of a head that tells one class an image.

    Raises:
        CandelabraError: the head tells none.
    """
    if not head.target_info.rank_header(2):
        raise CandelabraError("Only heads that tell one of several classes can be fooled; give head=label, say.")

    def compute_logits(images: Tensor) -> Tensor:
        features: Features = model.backbone(images)
        logits: Tensor = head(features)
        return logits

    return compute_logits


def _draw_change(before: Tensor, after: Tensor, first: str, second: str, bound: float) -> Image.Image:
    """Both images, and their difference, so enlarged that the bound is black or white."""
    difference = (after - before) * 255 / max(bound, 1e-6) / 2 + 0.5
    words = (f"before: {first}", f"after: {second}", f"difference, at most {bound:g} of 255")
    panels = []
    for line, each in zip(words, (before, after, difference), strict=True):
        pixels = (each.clamp(0, 1).permute(1, 2, 0) * 255).round().byte().cpu().numpy()
        panels.append((line, Image.fromarray(scale_pixels(pixels, 256, 512))))
    return arrange_panels(panels, 3)
