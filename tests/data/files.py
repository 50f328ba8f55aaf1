"""Tiny files that tests of formats are made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from candelabra.data import DataModule, Reader
from candelabra.data.file_samples import FileSamples
from tests.data.builders import build_file_samples, make_labels

NAN = float("nan")


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
    return next(iter(replace(data, workers=0).train_dataloader()))  # type: ignore[return-value]


def treatments(reader: Reader) -> dict[str, list[str]]:
    """Names of what was odd, by what it was and what was done about it."""
    found: dict[str, list[str]] = {}
    for issue in reader.read().issues:
        found.setdefault(f"{issue.what}: {issue.treatment}", []).append(issue.name)
    return found


def written(path: Path, image: Image.Image, **options: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path.name


def grey(values: list[list[int]] | np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


def found(issues: object) -> list[tuple[str, str]]:
    return [(each.what, each.treatment) for each in issues]  # type: ignore[attr-defined]


def boxed(root: Path, box: list[float], points: list[list[float]] | None = None) -> FileSamples:
    """One image of 20 x 10 pixels."""
    written(root / "a.png", Image.effect_noise((20, 10), 50).convert("RGB").rotate(0), optimize=False)
    names = tuple(map(str, range(len(points or ()))))
    return build_file_samples(
        root,
        ["a.png"],
        make_labels(box=True, keypoints=names),
        np.array([""]),
        box=np.array([box], np.float32),
        keypoints=np.array([points], np.float32) if points else None,
    )
