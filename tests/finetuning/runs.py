"""Tiny runs for the tests beside this file: every strategy of conf/, data, a task, a trainer."""

from functools import partial
from pathlib import Path

import lightning as L
import torch
from omegaconf import OmegaConf

from candelabra.backbones import Backbone, Timm
from candelabra.config.build import build_object
from candelabra.data import DataModule, Shapes
from candelabra.environment import CONFIG_FOLDER
from candelabra.finetuning import FineTuning
from candelabra.optim.schedulers import cosine
from candelabra.tasks import Classification, Task


def _strategy(path: Path) -> FineTuning:
    node = OmegaConf.to_container(OmegaConf.load(path))
    strategy: FineTuning = build_object(node.get("finetune", node))  # type: ignore[union-attr]
    return strategy


STRATEGIES = {path.stem: _strategy(path) for path in sorted((CONFIG_FOLDER / "finetune").glob("*.yaml"))}


def data(count: int = 80) -> DataModule:
    return DataModule(Shapes(count=count, canvas=32), size=32, batch_size=16, workers=0)


def tiny(name: str = "test_resnet") -> Timm:
    torch.manual_seed(0)
    # timm starts a residual branch at zero, and beside weights that hold still it would stay there
    options = {"zero_init_last": False} if name == "test_resnet" else None
    return Timm(name, weights="none", options=options)


def task(
    strategy: FineTuning,
    scheduler: object = cosine,
    kind: type[Task] = Classification,
    backbone: Backbone | None = None,
) -> Task:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.AdamW, lr=3e-3)
    return kind(  # type: ignore[call-arg]
        backbone or tiny(), data().labels, finetune=strategy, optimizer=optimizer, scheduler=scheduler
    )


def trainer(epochs: int, folder: Path, **options: object) -> L.Trainer:
    arguments: dict[str, object] = {
        "max_epochs": epochs,
        "accelerator": "cpu",
        "default_root_dir": str(folder),
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
    }
    return L.Trainer(**{**arguments, **options})  # type: ignore[arg-type]


class StopAfter(L.Callback):
    """Ends a run early, as a fault would, but between two epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 == self.epochs
