"""Runs of tests: a tiny network, small images, and no more drawn than a test looks at."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig
from PIL import Image

from candelabra.data.readers.digits import PlacedDigits
from candelabra.data.readers.shapes import Scenes
from candelabra.report import pictures, plan, plots, worst
from candelabra.training import evaluation
from candelabra.types import Sample
from tests.compositions import compose_config

TINY = (
    "backbone=test_resnet",
    "backbone.weights=none",
    "finetune=scratch",
    "data.size=64",
    "data.batch_size=16",
    "data.workers=0",
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "trainer.log_every_n_steps=1",
    "logger=csv",
)
save_figure, draw_grid, draw_plan = Figure.savefig, pictures.draw_grid, plan.draw_plan
draw_scene, draw_digit = Scenes.load, PlacedDigits.load


def composed(command: str, *overrides: str) -> DictConfig:
    """A command's config as the command line composes it; `train` runs get a tiny network and small images."""
    if command != "train":
        return compose_config(command, overrides)
    config = compose_config(command, [*TINY, *overrides])
    if not any("decoder.widths=" in word for word in overrides):
        narrow_decoders(config.task)
    return config


def narrow_decoders(node: DictConfig) -> None:
    """Gives each U-Net of a task a few channels; with those of the command line it takes most of a tiny step."""
    for name, value in node.items():
        if name == "widths" and node.get("_target_") == "candelabra.heads.decoders.unet":
            node[name] = [32, 16, 16, 8]
        elif isinstance(value, DictConfig):
            narrow_decoders(value)


def choose_drawing(figures: bool, anew: bool) -> None:
    """Says what is drawn from here on.

    Args:
        figures: figures and pictures are those of users, which take more than half of a tiny run; else blank or small.
        anew: scenes and digits are drawn for each sample; else once, as runs ask for the same few again and again.
    """
    Figure.savefig = save_figure if figures else save_blank  # type: ignore[assignment, method-assign]
    pictures.draw_confusion = plots.draw_confusion if figures else save_blank_confusion  # type: ignore[attr-defined]
    pictures.draw_grid = worst.draw_grid = draw_grid if figures else partial(draw_grid, side=48)  # type: ignore[attr-defined, assignment]
    plan.draw_plan = draw_plan if figures else save_blank_plan  # type: ignore[attr-defined]
    evaluation.draw_curves = plots.draw_curves if figures else save_blank_curves  # type: ignore[attr-defined]
    Scenes.load = draw_scene if anew else load_scene  # type: ignore[assignment, method-assign]
    PlacedDigits.load = draw_digit if anew else load_digit  # type: ignore[assignment, method-assign]


def load_scene(scenes: Scenes, index: int, least: tuple[int, int] | None = None) -> Sample:
    """A scene as it was drawn before, in tensors of its own."""
    return copy_sample(draw_scene_once(scenes.seed, scenes.canvas, index))


def load_digit(digits: PlacedDigits, index: int, least: tuple[int, int] | None = None) -> Sample:
    """A digit as it was placed before, in tensors of its own."""
    return copy_sample(place_digit_once(digits.seed, digits.canvas, index))


@lru_cache(maxsize=2000)
def draw_scene_once(seed: int, canvas: int, index: int) -> Sample:
    """Draws a scene; which one it is depends on nothing else."""
    return draw_scene(Scenes(index + 1, canvas, seed), index)


@lru_cache(maxsize=2000)
def place_digit_once(seed: int, canvas: int, index: int) -> Sample:
    """Places a digit, which depends on nothing else."""
    return draw_digit(open_digits(seed, canvas), index)


@lru_cache
def open_digits(seed: int, canvas: int) -> PlacedDigits:
    return PlacedDigits(canvas, seed)


def copy_sample(sample: Sample) -> Sample:
    copied: Sample = {key: value.clone() for key, value in sample.items()}  # type: ignore[assignment]
    return copied


def save_blank(figure: Figure, target: Any, *, dpi: float = 100, **options: Any) -> None:
    """Saves an empty picture of the size of a figure."""
    width, height = (int(side * dpi) for side in figure.get_size_inches())
    Image.new("L", (width, height), 255).save(target, format="png")


def save_blank_confusion(matrix: torch.Tensor, classes: Sequence[str], path: Path) -> None:
    """Saves an empty picture in place of a confusion matrix."""
    Image.new("L", (300, 300), 255).save(path)


def save_blank_plan(plan: Any, path: Path) -> None:
    """Saves an empty picture in place of the rates of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (400, 300), 255).save(path)


def save_blank_curves(folder: Path, summaries: Any) -> None:
    """Saves an empty picture in place of the curves of a run that has any."""
    if (folder / "metrics.csv").is_file():
        (folder / "pictures").mkdir(exist_ok=True)
        Image.new("L", (400, 300), 255).save(folder / "pictures" / "curves.png")
