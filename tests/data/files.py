"""Tiny files that tests of formats are made of."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from candelabra.data import DataModule


def write_image(path: Path, size: tuple[int, int] = (24, 16), colour: tuple[int, int, int] = (9, 9, 9)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def write_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def make_folder(root: Path, count: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for number, name in enumerate(classes):
        for i in range(count):
            write_image(root / name / f"{i}.JPG", colour=(number * 200, 0, i))
    return root


def batch_of(data: DataModule) -> dict[str, torch.Tensor]:
    data.workers = 0
    return next(iter(data.train_dataloader()))  # type: ignore[return-value]


def treatments(data: DataModule) -> dict[str, list[str]]:
    """Names of what was odd, by what it was and what was done about it."""
    found: dict[str, list[str]] = {}
    for oddity in data.read().oddities:
        found.setdefault(f"{oddity.what}: {oddity.treatment}", []).append(oddity.name)
    return found
