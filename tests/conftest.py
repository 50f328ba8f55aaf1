"""Fixtures: tiny runs, offline, on one thread a worker.

Libraries are imported where they are needed: the process that hands out tests to workers needs none of them, and they
take it seconds while the workers wait.
"""

import atexit
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MPLBACKEND": "agg"}

import pytest

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from candelabra.backbones import Timm

REAL = Path(__file__).parents[2] / "shared" / "data"
Compose = Callable[..., "DictConfig"]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        return  # the workers run the tests
    import torch

    from candelabra.environment import keep_freed_memory
    from candelabra.training import latency

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
    import torch

    for item in items:
        if item.get_closest_marker("real") and not REAL.is_dir():
            item.add_marker(pytest.mark.skip(reason="no real data beside the checkout"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    from tests.small_runs import choose_drawing

    choose_drawing(bool(item.get_closest_marker("figures")), anew=bool({"data", "contracts"} & set(item.path.parts)))


@pytest.fixture(autouse=True)
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cached features go: never into the home of who runs the tests."""
    from candelabra.environment import CACHE_VARIABLE

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("CANDELABRA_ACTIVE_PLUGINS", "")  # a test may change it
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # `main` sets it; others would print tracebacks
    return tmp_path / "features"


@pytest.fixture
def tiny(tmp_path: Path) -> Compose:
    """Composes into a folder of the test, which is named after the command."""
    from tests.small_runs import composed

    def compose_here(*overrides: str, command: str = "train") -> "DictConfig":
        return composed(command, f"folder={tmp_path / command}", *overrides)

    return compose_here


@pytest.fixture
def backbone() -> "Timm":
    import torch

    from candelabra.backbones import Timm

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
