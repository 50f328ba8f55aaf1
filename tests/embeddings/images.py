"""Small images on disk, of two kinds that a network without training tells apart: dark and bright."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from PIL import Image

from tests.small_runs import composed

WORDS: tuple[str, ...] = (
    "backbone=test_resnet",
    "backbone.weights=none",
    "size=32",
    "trainer=cpu",
    "trainer.precision=32-true",
)
WORDS += ("trainer.enable_progress_bar=false",)


def folder_of(root: Path, count: int = 6, kinds: tuple[str, ...] = ("dark", "bright")) -> Path:
    draw = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(kinds):
        low = 200 * number // max(1, len(kinds) - 1)
        for each in range(count):
            pixels = draw.integers(low, low + 55, (40, 30 + each, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"{kind}_{each}.png")
    return root


def asked(*words: str, command: str = "embed") -> DictConfig:
    return composed(command, *WORDS, *words)
