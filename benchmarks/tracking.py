"""What a step costs more with all trackers on: CSV, TensorBoard, Weights & Biases (offline) and MLflow, against none.

Four heads on efficientnet_lite0, batches of 32 at 128 px that lie ready in memory, logged every 10 steps as by default.
Blocks of steps with and without trackers take turns; time goes on until the trackers have written what a block logged.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import LearningRateMonitor
from torch.utils.data import DataLoader

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import Shapes
from candelabra.finetuning import Full
from candelabra.hardware import fast_precision
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.report.balances import LogBalance
from candelabra.tasks import MultiTask
from candelabra.throughput import Throughput
from candelabra.tracking import Csv, MLflow, TensorBoard, Wandb
from candelabra.tracking.code import code_version
from candelabra.tracking.gradients import LogGradient
from candelabra.tracking.guard import Guard
from candelabra.tracking.past import Past
from candelabra.tracking.tracker import Facts, Status

WARM = 3  # steps that do not count


class Clock(L.Callback):
    """Starts after the first steps, and stops when the trackers are done."""

    def __init__(self, guards: list[Guard]) -> None:
        self.guards = guards
        self.begun = self.seconds = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step % WARM == 0 and not self.begun:
            self.begun = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, *_: Any) -> None:
        for guard in self.guards:
            guard.wait(60)
        self.seconds = time.perf_counter() - self.begun


def block(task: MultiTask, batches: Any, guards: list[Guard], steps: int) -> float:
    """Seconds a step."""
    clock = Clock(guards)
    more: list[L.Callback] = [LearningRateMonitor("step"), LogGradient()] if guards else []
    trainer = L.Trainer(
        accelerator="auto",
        devices=1,
        precision=fast_precision("auto"),  # type: ignore[arg-type]
        max_steps=steps + WARM,
        max_epochs=-1,
        logger=guards,
        callbacks=[Throughput(), LogBalance(), *more, clock],
        log_every_n_steps=10,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, batches)
    return clock.seconds / steps


def main() -> None:
    """The ratio of the medians of pairs."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=9)
    arguments.add_argument("--steps", type=int, default=40, help="counted steps of a block")
    arguments.add_argument("--batch", type=int, default=32)
    given = arguments.parse_args()
    data = Shapes(count=20 * given.batch, size=128, canvas=128, batch_size=given.batch, workers=0, val=0.1, test=0.1)
    loader = data.train_dataloader()
    ready = list(loader)[: (given.steps + WARM)]
    batches = DataLoader(ready * (1 + (given.steps + WARM) // len(ready)), batch_size=None)
    heads = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": Mask}
    task = MultiTask(Timm("tf_efficientnet_lite0", weights="none"), data.labels, heads, finetune=Full())
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
            os.environ[name] = home
        folder = Path(home, "run")
        folder.mkdir()
        made = {"csv": Csv, "tensorboard": TensorBoard, "mlflow": MLflow}
        trackers: dict[str, Any] = {word: each(str(folder)) for word, each in made.items()}
        guards = [Guard(word, each) for word, each in {**trackers, "wandb": Wandb(str(folder), offline=True)}.items()]
        for guard in guards:
            guard.do(lambda tracker: tracker.begin(Facts({"batch": given.batch}, code_version(Path.cwd()), 0, Past())))
            guard.wait(300)
        block(task, batches, guards, WARM)
        for turn in range(given.runs):
            order = [("none", []), ("all", guards)] if turn % 2 else [("all", guards), ("none", [])]
            trackers["mlflow"].last = dict.fromkeys(trackers["mlflow"].last, -1)  # or it would log no step twice
            found = {word: block(task, batches, which, given.steps) for word, which in order}
            for word, seconds in found.items():
                rows.setdefault(f"{word}, ms a step", []).append(seconds * 1000)
            rows.setdefault("ratio", []).append(found["all"] / found["none"])
        failed = [guard.word for guard in guards if guard.failed]
        for guard in guards:
            guard.end(Status.FINISHED)
    report("a step with all trackers, against none", rows, ("ratio", statistics.median(rows["ratio"])), given.json)
    if failed:
        raise SystemExit(f"these failed on the way: {', '.join(failed)}")


if __name__ == "__main__":
    main()
