"""Fixtures: tiny runs, offline, on one thread a worker."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MPLBACKEND": "agg"}

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from candelabra.backbones import Timm
from candelabra.environment import CACHE_VARIABLE, CONFIG_FOLDER

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


def pytest_configure(config: pytest.Config) -> None:
    # Threads of several processes compete for the processors. Do not measure time in tests.
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    else:
        torch.set_num_threads(2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") and not REAL.is_dir():
            item.add_marker(pytest.mark.skip(reason="no real data beside the checkout"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA"))


def composed(command: str, *overrides: str) -> DictConfig:
    """A command's config as the command line composes it; `train` runs get a tiny network and small images."""
    base = TINY if command == "train" else ()
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return compose(command, [*base, *overrides])


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
