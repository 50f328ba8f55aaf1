"""A tiny trained model, exported once for all tests that run one; and a runtime for modules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from candelabra.commands.export import run_export
from candelabra.commands.train import run_train
from candelabra.export.formats import ModelFormat
from candelabra.runtime.sessions import Pixels, Session
from candelabra.types import Size
from tests.small_runs import composed

HEADS = ["label", "box", "keypoints", "mask"]


class ExportedRun(NamedTuple):
    """A run, its exported model, and a folder with pictures."""

    run: Path
    model: Path
    pictures: Path


def train_run(folder: Path, *words: str) -> Path:
    """A run of one epoch on drawn shapes."""
    small = ["data.count=48", "data.size=32", "epochs=1", "finetune=full"]
    run_train(composed("train", f"folder={folder}", *small, *words))
    return folder


def export_run_to(run: Path, folder: Path, *words: str) -> int:
    """The exit code of `candelabra export`."""
    return run_export(composed("export", f"checkpoint={run}", f"folder={folder}", "pictures=12", *words))


def make_pictures(folder: Path) -> Path:
    """Pictures of several sizes and modes, one of them twice as large as the model's, so that it is read smaller."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number, (width, height) in enumerate([(45, 31), (9, 7), (200, 20), (150, 131), (32, 32)]):
        coarse = draw.integers(0, 256, (7, 7, 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        image.convert("L" if number == 0 else "RGB").save(folder / f"{number}_turned.jpg", exif=exif, quality=90)
    return folder


class ModuleSession(Session):
    """Runs a module in torch, for tests of what compares runtimes."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def run(self, images: Pixels, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            found = self.module(torch.from_numpy(np.ascontiguousarray(images)))
        return {name: found[name].numpy() for name in names}


class ModuleFormat(ModelFormat):
    """Writes nothing, and opens what it was given last."""

    name, suffix = "module", ".onnx"

    def __init__(self) -> None:
        self.module: nn.Module = nn.Identity()

    def check(self) -> None:
        return

    def write(self, model: nn.Module, path: Path, size: Size) -> None:
        self.module = model
        path.write_bytes(b"x" * 1000)

    def open(self, path: Path, names: Sequence[str]) -> Session:
        return ModuleSession(self.module)
