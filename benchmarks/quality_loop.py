"""A plain PyTorch training loop, as someone writes it by hand in an hour: what `benchmarks.quality` compares with.

AdamW, batches of 16, batch normalisation with the statistics of the batch, the trunk at a third of the heads' rate, a
cosine, mirrored images where labels allow it, the weights after the last epoch. Splits, trunk and metrics are ours.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.quality_networks import make_plain_networks
from candelabra.backbones import Backbone
from candelabra.config.build import PlainConfig, build_data
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.heads import Head, compute_metrics
from candelabra.tasks.loading import build_task
from candelabra.types import IGNORED, Sample

BATCH, RATE, SHARE = 16, 1e-3, 1 / 3


def compute_plain_loss(kind: str, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
    """The mean loss of the labelled samples of a batch."""
    if kind == "label":
        return F.cross_entropy(outputs, target, ignore_index=-1)
    if kind == "mask":
        return F.cross_entropy(outputs, target.long(), ignore_index=IGNORED)
    scale = torch.tensor([size[1], size[0]]).repeat(target.shape[-1] // 2)
    known = ~target.isnan()
    return (outputs - target / scale)[known].abs().mean()


def mirror_batch(images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Half of the images and their labels mirrored; not where points are among them."""
    if "keypoints" in targets:
        return images, dict(targets)
    turned, found = torch.rand(len(images)) < 0.5, {}
    for kind, value in targets.items():
        mirrored = value
        if kind == "mask":
            mirrored = value.flip(-1)
        elif kind == "box":
            mirrored = torch.stack(
                [images.shape[3] - value[:, 2], value[:, 1], images.shape[3] - value[:, 0], value[:, 3]], 1
            )
        found[kind] = torch.where(turned.view(-1, *[1] * (value.dim() - 1)), mirrored, value)
    return torch.where(turned.view(-1, 1, 1, 1), images.flip(-1), images), found


def train_by_hand(plain: PlainConfig, seed: int, epochs: int, budget: float | None = None) -> dict[str, float]:
    """Trains on the data of a config and measures validation and test with the metrics of its heads.

    Args:
        plain: resolved config of `candelabra train`; of it, data, backbone, and the metrics of the task are used.
        seed: of new weights, order and augmentation.
        epochs: over the training images.
        budget: CPU seconds, by which epochs are chosen instead; see `plan_epochs`.

    Returns:
        `<split>/<head>/<metric>`, and epochs, steps and CPU seconds of training.
    """
    begun = time.process_time()
    L.seed_everything(seed, verbose=False)
    data, judges = build_rival_data(plain)
    flip = plain["data"].get("flip", True)
    train = [data.dataset("train")[index] for index in range(len(data.dataset("train")))]
    trunk, heads = make_plain_networks(plain, judges, train[0]["image"])
    if budget is not None:
        spare = copy.deepcopy((trunk, heads))
        epochs, begun = plan_epochs(lambda: run_epochs(*spare, judges, train, 1, flip), budget, begun)
        L.seed_everything(seed, verbose=False)
    steps = run_epochs(trunk, heads, judges, train, epochs, flip)
    results = {"steps": float(steps), "seconds": time.process_time() - begun, "images": float(len(train))}
    trunk.eval(), heads.eval()

    def compute_outputs(images: Tensor) -> dict[str, Tensor]:
        features = trunk(images)
        return {name: heads[name](features) for name in judges}

    return {**results, "epochs": float(epochs), **measure_by_hand(compute_outputs, judges, data)}


def build_rival_data(plain: PlainConfig) -> tuple[SampleDataModule, dict[str, Head]]:
    """The data of a config without augmentation, in batches of 16, and the heads of ours, whose metrics are used."""
    data = build_data({**plain["data"], "augment": "none", "batch_size": BATCH, "workers": 0})
    return data, dict(build_task(plain, data.labels).named_heads())


def plan_epochs(run_epoch: Callable[[], object], budget: float, begun: float) -> tuple[int, float]:
    """Times the second of two epochs, and returns how many fit into a budget.

    Args:
        run_epoch: trains for one epoch with networks that are not used again.
        budget: CPU seconds of the whole run.
        begun: CPU time at which the run started.

    Returns:
        The epochs, at least 1, and the CPU time at which the run would have started without this.
    """
    prepared = time.process_time()
    run_epoch()
    warm = time.process_time()
    run_epoch()
    now = time.process_time()
    return max(1, int((budget - (prepared - begun)) / (now - warm))), begun + now - prepared


def run_epochs(
    trunk: Backbone,
    heads: nn.ModuleDict,
    judges: Mapping[str, Head],
    train: Sequence[Sample],
    epochs: int,
    flip: bool,
) -> int:
    """Trains on the samples, and returns the number of steps."""
    groups: list[dict[str, Any]] = [{"params": trunk.parameters(), "lr": RATE * SHARE}, {"params": heads.parameters()}]
    optimizer = torch.optim.AdamW(groups, RATE)
    steps = epochs * math.ceil(len(train) / BATCH)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], steps)
    for _ in range(epochs):
        trunk.train(), heads.train()
        for rows in torch.randperm(len(train)).split(BATCH):
            batch = [train[index] for index in rows.tolist()]
            images = torch.stack([each["image"] for each in batch])
            targets = {
                judge.target: torch.stack([torch.as_tensor(e[judge.target]) for e in batch])
                for judge in judges.values()
            }
            if flip:
                images, targets = mirror_batch(images, targets)
            features = trunk(images)
            losses = [
                compute_plain_loss(judge.target, heads[name](features), targets[judge.target], features.size)
                for name, judge in judges.items()
            ]
            optimizer.zero_grad()
            torch.stack(losses).nansum().backward()
            optimizer.step()
            scheduler.step()
    return steps


def measure_by_hand(
    compute_outputs: Callable[[Tensor], Mapping[str, Tensor]], judges: Mapping[str, Head], data: SampleDataModule
) -> dict[str, float]:
    """`<split>/<head>/<metric>` of validation and test, by the metrics of the heads of ours.

    Args:
        compute_outputs: images as data give them -> for each head, what its `forward` returns.
        judges: heads of ours by name.
        data: whose splits.
    """
    results: dict[str, float] = {}
    for split in ("val", "test"):
        metrics = {name: judge.metrics() for name, judge in judges.items()}
        for batch in data.make_loader(split):
            with torch.no_grad():
                outputs = compute_outputs(batch["image"])
            for name, judge in judges.items():
                target = batch[judge.target]
                rows = judge.labelled(target)
                if rows.any():
                    judge.measure(metrics[name], outputs[name][rows], target[rows], batch["image"].shape[-2:])
        for name, judge in judges.items():
            values = compute_metrics(metrics[name])
            results |= {
                f"{split}/{name}/{key}": float(value) for key, value in values.items() if key not in judge.tables
            }
    return results
