"""Fixtures: tiny runs, offline, on one thread a worker."""

import atexit
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MPLBACKEND": "agg"}

import pytest
import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig
from PIL import Image

from candelabra.backbones import Timm
from candelabra.data.readers.shapes import Scenes
from candelabra.environment import CACHE_VARIABLE, keep_freed_memory
from candelabra.report import pictures, plots, worst
from candelabra.training import evaluation, latency
from candelabra.types import Sample
from tests.compositions import compose_config

REAL = Path(__file__).parents[2] / "shared" / "data"
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
Compose = Callable[..., DictConfig]
draw_figure, draw_grid, draw_scene = Figure.savefig, pictures.draw_grid, Scenes.load


def pytest_configure(config: pytest.Config) -> None:
    keep_freed_memory()  # as commands do
    latency._MOST = 3  # passes of an image, in place of 30
    # Threads of several processes compete for the processors. Do not measure time in tests.
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    else:
        torch.set_num_threads(2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # Python's garbage collector would walk through all objects of torch and of 5,000 tests again and again; they stay.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # nanobind complains of what is left at the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") and not REAL.is_dir():
            item.add_marker(pytest.mark.skip(reason="no real data beside the checkout"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Figures and pictures take more than half of a tiny run; they are those of users for the tests that are marked so.
    drawn = item.get_closest_marker("figures")
    Figure.savefig = draw_figure if drawn else save_blank  # type: ignore[assignment, method-assign]
    pictures.draw_confusion = plots.draw_confusion if drawn else save_blank_confusion  # type: ignore[attr-defined]
    pictures.draw_grid = worst.draw_grid = draw_grid if drawn else partial(draw_grid, side=48)  # type: ignore[attr-defined, assignment]
    evaluation.draw_curves = plots.draw_curves if drawn else save_blank_curves  # type: ignore[attr-defined]
    # Runs draw the same few scenes again and again, a seventh of their time; tests of data draw each anew.
    Scenes.load = draw_scene if {"data", "contracts"} & set(item.path.parts) else load_scene  # type: ignore[assignment, method-assign]


def load_scene(scenes: Scenes, index: int, least: tuple[int, int] | None = None) -> Sample:
    """A scene as it was drawn before, in tensors of its own."""
    sample: Sample = {key: value.clone() for key, value in draw_once(scenes.seed, scenes.canvas, index).items()}  # type: ignore[assignment]
    return sample


@lru_cache(maxsize=2000)
def draw_once(seed: int, canvas: int, index: int) -> Sample:
    """Draws a scene; which one it is depends on nothing else."""
    return draw_scene(Scenes(index + 1, canvas, seed), index)


def save_blank(figure: Figure, target: Any, *, dpi: float = 100, **options: Any) -> None:
    """Saves an empty picture of the size of a figure."""
    width, height = (int(side * dpi) for side in figure.get_size_inches())
    Image.new("L", (width, height), 255).save(target, format="png")


def save_blank_confusion(matrix: torch.Tensor, classes: Sequence[str], path: Path) -> None:
    """Saves an empty picture in place of a confusion matrix."""
    Image.new("L", (300, 300), 255).save(path)


def save_blank_curves(folder: Path, summaries: Any) -> None:
    """Saves an empty picture in place of the curves of a run that has any."""
    if (folder / "metrics.csv").is_file():
        (folder / "pictures").mkdir(exist_ok=True)
        Image.new("L", (400, 300), 255).save(folder / "pictures" / "curves.png")


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


@pytest.fixture(autouse=True)
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cached features go: never into the home of who runs the tests."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("CANDELABRA_ACTIVE_PLUGINS", "")  # a test may change it
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # `main` sets it; others would print tracebacks
    return tmp_path / "features"


@pytest.fixture
def tiny(tmp_path: Path) -> Compose:
    """Composes into a folder of the test, which is named after the command."""

    def compose_here(*overrides: str, command: str = "train") -> DictConfig:
        return composed(command, f"folder={tmp_path / command}", *overrides)

    return compose_here


@pytest.fixture
def backbone() -> Timm:
    torch.manual_seed(0)
    return Timm("test_resnet", weights="none")


@pytest.fixture
def real() -> Path:
    """The folder of real data sets beside the checkout."""
    return REAL


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model with a head for each target of drawn shapes, in ONNX; see `tests.exported.ExportedRun`."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from tests.exported import ExportedRun, export_run_to, make_pictures, train_run

    folder = tmp_path_factory.mktemp("exported")
    run = train_run(folder / "run", "task=multitask", "data.resize=letterbox")
    assert export_run_to(run, folder / "onnx") == 0
    return ExportedRun(run, folder / "onnx" / "model.onnx", make_pictures(folder / "pictures"))
