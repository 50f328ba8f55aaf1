"""Trains under every balance and saves the weights: python -m tests.balancing.ranks <processes> <seed> <folder>.

Two ranks and one process see the same global batches; on two, the first rank never sees a mask. With a seed other than
0 the initial weights are rounded otherwise, which shows what rounding alone does to the result.
"""

import sys
from functools import partial
from pathlib import Path

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Full
from candelabra.heads import Box, Label, Mask
from candelabra.heads.coordinate_readers import Pooled
from candelabra.tasks import MultiTask
from candelabra.training.callbacks.balance_log import BalanceLog
from candelabra.types import Sample
from tests.balancing.problem import BALANCES
from tests.rounding import perturb_weights

BATCH, EPOCHS = 16, 2
ROUNDING = 1e-7  # relative
# No batch normalisation where the ranks' batches differ: only one rank's samples have masks.
HEADS = {"label": Label, "box": partial(Box, coordinates=Pooled), "mask": Mask}


class Drawn(Dataset[Sample]):
    """Samples in a fixed order; every other one, which the first rank gets, has no mask."""

    def __init__(self, data: DataModule, split: str) -> None:
        prepared = data.dataset(split)
        self.samples = [prepared[index] for index in range(len(prepared) // BATCH * BATCH)]
        for sample in self.samples[::2]:
            sample["mask"] = torch.full_like(sample["mask"], 255)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def state(task: L.LightningModule) -> dict[str, torch.Tensor]:
    """All but how often batch normalisation was called."""
    return {key: value for key, value in task.state_dict().items() if not key.endswith("num_batches_tracked")}


class Compare(L.Callback):
    """Prints how far the ranks' weights are apart after each epoch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        flat = torch.cat([value.flatten().double() for value in state(pl_module).values()])
        every = pl_module.all_gather(flat).view(trainer.world_size, -1)
        if trainer.is_global_zero:
            difference = float((every[0] - every[-1]).nan_to_num().abs().max())
            print("EQUAL", self.name, trainer.current_epoch, difference, flush=True)


def run(name: str, devices: int, seed: int, folder: Path) -> None:
    """One balance."""
    L.seed_everything(0, verbose=False)
    data = DataModule(Shapes(count=110, canvas=32), size=32, augment="none", workers=0)
    backbone = Timm("test_resnet", weights="none")
    if seed:
        perturb_weights(backbone, seed, ROUNDING)
    task = MultiTask(
        backbone,
        data.labels,
        HEADS,
        balance=BALANCES[name],
        finetune=Full(keep_statistics=True),
        optimizer=partial(torch.optim.SGD, lr=0.01),
        scheduler=None,
    )
    trainer = L.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",  # not even parameters that take no part are looked for
        gradient_clip_val=1.0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        callbacks=[BalanceLog(), Compare(name)],
    )
    sets = {split: Drawn(data, split) for split in ("train", "val")}
    rank = trainer.global_rank
    loaders = [
        DataLoader(one, BATCH // devices, sampler=DistributedSampler(one, devices, rank, shuffle=False), drop_last=True)
        for one in sets.values()
    ]
    trainer.fit(task, *loaders)
    if trainer.is_global_zero:
        logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
        torch.save({"state": state(task), "logged": logged}, folder / f"{name}-{devices}-{seed}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in sys.argv[4:] or BALANCES:
        run(each, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
