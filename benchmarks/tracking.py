"""What a step costs more with all trackers on: CSV, TensorBoard, Weights & Biases (offline) and MLflow, against none.

Four heads on efficientnet_lite0, batches of 32 at 128 px that lie ready in memory, logged every 10 steps as by default.
In one training, windows of 10 steps with and without trackers take turns, so that both see the same moods of the
machine. What is logged is logged in the middle of a window, so that trackers, which write beside the training, have
five steps to write in before it is closed. The cost hardly depends on the batch: at smaller ones it is a larger share.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import LearningRateMonitor
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Full
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.loggers import CsvLogger, MlflowLogger, TensorboardLogger, WandbLogger
from candelabra.loggers.code_version import find_code_version
from candelabra.loggers.guard import GuardedLogger
from candelabra.loggers.logger import RunFacts, RunStatus
from candelabra.runs.metrics_csv import LoggedMetrics
from candelabra.tasks import MultiTask
from candelabra.training.callbacks.balance_log import BalanceLog
from candelabra.training.callbacks.gradient_norm import GradientNormLog
from candelabra.training.callbacks.throughput import Throughput

WINDOW = 10  # steps: what the trainer logs is logged once in it
WARM = 2  # windows that do not count


class Turns(L.Callback):
    """Switches the trackers, and what is only worked out for them, on and off from window to window, and takes time."""

    def __init__(self, guards: list[GuardedLogger]) -> None:
        self.guards, self.windows, self.begun = guards, 0, 0.0
        self.extra = [LearningRateMonitor("step"), GradientNormLog()]
        self.seconds: dict[str, list[float]] = {"all": [], "none": []}

    @property
    def on(self) -> bool:
        return self.windows % 4 in (0, 3)  # on, off, off, on: a machine that slows down hits both

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.extra[0].on_train_start(trainer, pl_module)
        self.begun = time.perf_counter()

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, index: int) -> None:
        for callback in self.extra if self.on else []:
            callback.on_train_batch_start(trainer, pl_module, batch, index)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        for callback in self.extra if self.on else []:
            callback.on_before_optimizer_step(trainer, pl_module, optimizer)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step % WINDOW != WINDOW // 2:
            return
        now = time.perf_counter()
        if self.windows >= WARM:
            self.seconds["all" if self.on else "none"].append(now - self.begun)
        self.windows += 1
        trainer.loggers = [*self.guards] if self.on else []
        self.begun = time.perf_counter()


def main() -> None:
    """The median of the ratios of neighbouring windows."""
    arguments = parser(__doc__)
    arguments.add_argument("--windows", type=int, default=96, help="counted windows, with and without, of 10 steps")
    arguments.add_argument("--batch", type=int, default=32)
    given = arguments.parse_args()
    data = DataModule(
        Shapes(count=20 * given.batch, canvas=128), size=128, batch_size=given.batch, workers=0, val=0.1, test=0.1
    )
    loader = data.train_dataloader()
    steps = WINDOW * (WARM + given.windows) - WINDOW // 2  # the first window is a short one
    ready = list(loader)
    batches = DataLoader(ready * (1 + steps // len(ready)), batch_size=None)
    heads = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": Mask}
    task = MultiTask(Timm("tf_efficientnet_lite0", weights="none"), data.labels, heads, finetune=Full())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            os.environ[name] = home
        folder = Path(home, "run")
        folder.mkdir()
        made = {"csv": CsvLogger, "tensorboard": TensorboardLogger, "mlflow": MlflowLogger}
        trackers: dict[str, Any] = {word: each(str(folder)) for word, each in made.items()}
        guards = [
            GuardedLogger(word, each)
            for word, each in {**trackers, "wandb": WandbLogger(str(folder), offline=True)}.items()
        ]
        for guard in guards:
            guard.do(
                lambda tracker: tracker.begin(
                    RunFacts({"batch": given.batch}, find_code_version(Path.cwd()), 0, LoggedMetrics())
                )
            )
            guard.wait(300)
        turns = Turns(guards)
        trainer = L.Trainer(
            accelerator="auto",
            devices=1,
            precision="32-true",
            max_steps=steps,
            max_epochs=-1,
            logger=guards,
            callbacks=[Throughput(), BalanceLog(), turns],
            log_every_n_steps=WINDOW,
            limit_val_batches=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,
        )
        trainer.fit(task, batches)
        failed = [guard.word for guard in guards if guard.failed]
        for guard in guards:
            guard.end(RunStatus.FINISHED)
    pairs = list(zip(turns.seconds["all"], turns.seconds["none"], strict=True))
    rows = {f"{word}, ms a step": [each * 1000 / WINDOW for each in found] for word, found in turns.seconds.items()}
    rows["ratio"] = [loud / silent for loud, silent in pairs]
    report("a step with all trackers, against none", rows, ("ratio", statistics.median(rows["ratio"])), given.json)
    if failed:
        raise SystemExit(f"these failed on the way: {', '.join(failed)}")


if __name__ == "__main__":
    main()
