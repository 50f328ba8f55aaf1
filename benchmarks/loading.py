"""From JPEG files to augmented 224 px batches on one core: ours against torchvision and PIL as in PyTorch's examples.

Torchvision's batches are normalised floats. Ours are counted both so, coloured and normalised on the same core, and as
they are handed to the device: bytes, which it colours and normalises itself. Files lie in the system's memory; seconds
are the processor's.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

from benchmarks.reporting import parser, report
from candelabra.data import DataModule, Folder
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.data.transforms.crop import RandomCrop
from candelabra.data.transforms.pipeline import (
    LIGHT_AUGMENTATION,
    RandomMirror,
    TransformPipeline,
    compute_least_read_size,
)
from candelabra.data.views.cached_samples import CacheMode

REFERENCE = "torchvision + PIL"
SIDE = 224
RATIO = (0.8, 1.25)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = ((500, 375), (1000, 750))


def photographs(root: Path, size: tuple[int, int], count: int, source: Path | None) -> Path:
    """Writes JPEG files (quality 90, 4:2:0) of one size: parts of scikit-learn's two photographs, or of one's own."""
    if source:
        found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:count]
        images: list[Any] = [Image.open(path).convert("RGB") for path in found]
    else:
        from sklearn.datasets import load_sample_images

        images = [Image.fromarray(image) for image in load_sample_images().images]
    rng = np.random.default_rng(0)
    for number in range(count):
        image = images[number % len(images)]
        share = rng.uniform(0.7, 1.0)
        width, height = image.width * share, image.height * share
        left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
        part = image.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))
        path = root / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=90)
    return root


def by_torchvision(root: Path, jitter: bool) -> Iterable[Tensor]:
    """As https://github.com/pytorch/examples/blob/main/imagenet/main.py, with our crops."""
    steps = [v1.RandomResizedCrop(SIDE, scale=(LIGHT_AUGMENTATION, 1.0), ratio=RATIO)]
    steps += [v1.ColorJitter(0.2, 0.2, 0.2)] if jitter else []
    steps += [v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(MEAN, STD)]
    images = ImageFolder(str(root), v1.Compose(steps))
    return (batch for batch, _ in DataLoader(images, batch_size=32, shuffle=True))


def handed(data: DataModule) -> Iterable[Tensor]:
    """The batches of a data module."""
    return (batch["image"] for batch in data.train_dataloader())


def normalised(data: DataModule) -> Iterable[Tensor]:
    """The same, coloured as every task does it and normalised as every backbone does."""
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    return ((jitter_batch(batch)["image"] / 255 - mean) / std for batch in data.train_dataloader())


def ours(root: Path, jitter: bool, cache: CacheMode) -> DataModule:
    """`data=folder` with `augment=light`, or with the crops and mirror images of it alone."""
    data = DataModule(Folder(root=str(root)), size=SIDE, batch_size=32, workers=0, val=0.05, test=0.05, cache=cache)
    data.open()
    if not jitter:
        steps: list[Callable[[Any], Any]] = [
            RandomCrop(data.labels, (SIDE, SIDE), (LIGHT_AUGMENTATION, 1.0), RATIO),
            RandomMirror(data.labels),
        ]
        least = compute_least_read_size((SIDE, SIDE), LIGHT_AUGMENTATION)
        data.replace_train_transforms(TransformPipeline(steps, data.labels, least=least))
    return data


def speed(batches: Iterable[Tensor]) -> float:
    """Images a second."""
    begun = time.process_time()
    images = sum(len(batch) for batch in batches)
    return images / (time.process_time() - begun)


def compare(
    name: str, sides: Mapping[str, Callable[[], Iterable[Tensor]]], runs: int, rows: dict[str, list[float]]
) -> None:
    """Takes turns, so that what else the machine does hits all sides alike."""
    for batches in sides.values():
        speed(batches())  # reads files into the system's memory, and fills caches
    for _ in range(runs):
        speeds = {side: speed(batches()) for side, batches in sides.items()}
        for side, value in speeds.items():
            rows.setdefault(f"{name} {side}, images/s", []).append(value)
        for side in list(speeds)[1:]:
            rows.setdefault(f"{name} {side}, ratio", []).append(speeds[side] / speeds[REFERENCE])


def main() -> None:
    """Both sizes, without and with colours."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=7)
    arguments.add_argument("--images", type=int, default=320)
    arguments.add_argument("--root", type=Path, help="a folder of JPEG files to make the images of")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            root = photographs(Path(folder, str(size[0])), size, given.images, given.root)
            for jitter in (False, True):
                cold, kept = ours(root, jitter, "none"), ours(root, jitter, "ram")
                sides: dict[str, Callable[[], Iterable[Tensor]]] = {
                    REFERENCE: partial(by_torchvision, root, jitter),
                    "files, normalised": partial(normalised, cold),
                    "files, bytes": partial(handed, cold),
                    "cache, normalised": partial(normalised, kept),
                    "cache, bytes": partial(handed, kept),
                }
                compare(f"{size[0]}x{size[1]}{' with colours' if jitter else ''}", sides, given.runs, rows)
    report(
        "loading: one core", rows, ("ratio", statistics.median(rows["500x375 files, normalised, ratio"])), given.json
    )


if __name__ == "__main__":
    main()
