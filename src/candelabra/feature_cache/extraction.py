"""Extracts features: the one pass of a frozen backbone, or of its frozen stages, over the images."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from candelabra.backbones.backbone import Backbone
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.samples import hash_contents
from candelabra.data.targets import Target
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.environment import __version__, choose_start_method
from candelabra.feature_cache.layout import (
    FeatureLayout,
    find_feature_layout,
    find_first_layout,
    join_layouts,
    make_feature_column,
)
from candelabra.feature_cache.recipe import COUNT_ENDING, FeatureRecipe, count_ragged
from candelabra.feature_cache.store import FeatureStore, join_rows
from candelabra.tasks.task import Task
from candelabra.types import Features, Sample

_FORMAT = 3  # of shards; part of the cache key, so shards of another format are never read
SHARD_SECONDS = 20.0  # between two shards: the work that is lost if the process is killed
_SHARD_BYTES = 256 * 2**20  # in memory before a shard is written
_LIBRARIES = ("torch", "torchvision", "timm", "pillow")
FeatureItem = tuple[TransformedDataset, int, bytes]  # data set, key and digest of a sample


@contextmanager
def switch_to_evaluation(task: Task, trainer: L.Trainer) -> Iterator[torch.device]:
    """Puts the task on the trainer's device, in evaluation mode and in its precision; restores its mode afterwards.

    The state of the random number generators is restored too: a run with a cache draws the same numbers as without.
    """
    device = trainer.strategy.root_device
    trainer.precision_plugin.convert_module(task)
    task.to(device)
    was = task.training
    cuda = [device] if device.type == "cuda" else []
    task.eval()
    try:
        with torch.random.fork_rng(cuda), trainer.precision_plugin.forward_context():
            yield device
    finally:
        task.train(was)


def describe_features(task: Task, sample: Sample, counts: Collection[int], trainer: L.Trainer) -> FeatureRecipe | None:
    """Finds the recipe by running backbone and heads on noise of the size of a sample.

    Args:
        task: whose features are stored.
        sample: for its image's size and its targets.
        counts: numbers of stages, from the input on, each at least 1, that are frozen in some epoch.
        trainer: gives device and precision.

    Returns:
        None where this backbone can go on from none of them.
    """
    with switch_to_evaluation(task, trainer) as device, torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, (2, *sample["image"].shape), dtype=torch.uint8, generator=generator)
        features: Features = task.backbone(noise.to(device))
        phases = {count: found for count in counts if (found := _find_phase_layout(task, features, count))}
        if not phases:
            return None
        parts = join_layouts([*phases.values()])
        columns = {name: make_feature_column(taken) for name, taken in parts.take(features).items()}
    heads = {head.target: head.target_info for _, head in sorted(task.named_heads(), key=lambda pair: pair[1].target)}
    ragged = {name: target for name, target in heads.items() if target.ragged}
    values = count_ragged([sample], ragged)
    columns |= {
        name: make_feature_column(values[name][:, :0] if name in ragged else values[name])
        for name in (*heads, *(name + COUNT_ENDING for name in ragged))
    }
    own = [*features.maps[: parts.stages], *([features.final] if parts.final else [])]
    bits = [make_feature_column(each).to_rows(each) for each in own]
    return FeatureRecipe(parts, columns, hash_contents(*bits).hex(), ragged, phases)


def _find_phase_layout(task: Task, features: Features, stages: int) -> FeatureLayout | None:
    if stages == len(features.maps):
        return find_feature_layout(task, features)
    return find_first_layout(task, features, stages) if task.backbone.can_resume(features, stages) else None


def compute_cache_key(
    task: Task, recipe: FeatureRecipe, pipeline: Any, batch_size: int, trainer: L.Trainer
) -> dict[str, str]:
    """Returns all that features depend on beside the sample: weights, preprocessing, precision, device, libraries."""
    backbone = task.backbone
    device = trainer.strategy.root_device
    return {
        "format": str(_FORMAT),
        "candelabra": __version__,
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "backbone": f"{type(backbone).__module__}.{type(backbone).__qualname__} {hash_contents(repr(backbone)).hex()}",
        "weights": hash_weights(backbone, recipe.parts.stages),
        "features": recipe.fingerprint,
        "preprocessing": repr(pipeline),
        "precision": str(trainer.precision),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "batch": str(find_smallest_batch(batch_size, device)),
        "parts": str(recipe.parts),
        "row": str(recipe.layout),
    }


def hash_weights(backbone: Backbone, stages: int) -> str:
    """The hash of the weights that the features of the first stages depend on, running statistics included."""
    weights = _list_weights(backbone, stages)
    return hash_contents(*(part for name, value in weights for part in (name, _bits(value)))).hex()


def _list_weights(backbone: Backbone, stages: int) -> list[tuple[str, Tensor]]:
    if stages == len(backbone.stages):
        return [*backbone.state_dict().items(), *backbone.named_buffers()]
    names = {module: name for name, module in backbone.named_modules()}
    found = [("", backbone), *((names[module], module) for stage in backbone.stages[:stages] for module in stage)]
    return [
        (f"{name}.{key}", value)
        for name, module in found
        for key, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    ]


def find_smallest_batch(batch_size: int, device: torch.device) -> int:
    """Returns the smallest batch whose features have the same bits as in training.

    On a CPU oneDNN uses other kernels for a batch of one; larger batches give equal bits, but for some networks on an
    AMD EPYC, whose rounding changes at 8 or 16 images. On a GPU the bits may depend on the batch size, which is
    therefore part of the cache key.
    """
    return min(2, batch_size) if device.type == "cpu" else batch_size


def extract_features(
    task: Task,
    recipe: FeatureRecipe,
    store: FeatureStore,
    items: Sequence[FeatureItem],
    batch_size: int,
    workers: int,
    trainer: L.Trainer,
) -> None:
    """Runs the backbone on samples and writes their rows to a store.

    Args:
        task: whose backbone runs.
        recipe: of the rows.
        store: that is written to.
        items: data set, key and digest of each sample.
        batch_size: that of training.
        workers: processes that decode images.
        trainer: gives device and precision.
    """
    loader = DataLoader(
        MissingFeatures(items),
        batch_size,
        num_workers=workers,
        collate_fn=partial(_collate, kept=("image", "colours", *recipe.targets), ragged=recipe.ragged),
        generator=torch.Generator(),
        multiprocessing_context=choose_start_method(workers),
    )
    pending: list[NDArray[np.void]] = []
    written = time.monotonic()
    silent = trainer.progress_bar_callback is None or not trainer.is_global_zero
    with (
        switch_to_evaluation(task, trainer) as device,
        tqdm(total=len(items), desc="features", unit="image", disable=silent) as bar,
    ):
        for digests, batch in loader:
            pending.append(_rows(task, recipe, digests, batch, find_smallest_batch(batch_size, device), device))
            bar.update(len(digests))
            late = time.monotonic() - written >= SHARD_SECONDS
            if late or sum(rows.nbytes for rows in pending) >= _SHARD_BYTES:
                store.add(join_rows(pending))
                pending, written = [], time.monotonic()
        if pending:
            store.add(join_rows(pending))


class MissingFeatures(Dataset[tuple[bytes, Sample]]):
    """Samples with their digests.

    Args:
        items: data set, key and digest of each.
    """

    def __init__(self, items: Sequence[FeatureItem]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[bytes, Sample]:
        prepared, key, found = self.items[index]
        made = prepared[key]
        return prepared.update_digest(key, found), made


def _rows(
    task: Task, recipe: FeatureRecipe, digests: Sequence[bytes], batch: Sample, least: int, device: torch.device
) -> NDArray[np.void]:
    images = jitter_batch(batch)["image"]
    short = least - len(images)
    if short > 0:
        images = torch.cat([images, images[-1:].expand(short, *images.shape[1:])])
    with torch.inference_mode():
        features: Features = task.backbone(move_data_to_device(images, device))
        taken = recipe.parts.take(features)
    return recipe.to_rows(digests, {**taken, **{name: _targets(batch)[name] for name in recipe.targets}})


def _collate(
    items: Sequence[tuple[bytes, Sample]], kept: Collection[str], ragged: Mapping[str, Target]
) -> tuple[list[bytes], Sample]:
    """The digests and the batch of samples, without targets that no head learns: their values may differ in length."""
    samples = [cast(Sample, {key: value for key, value in sample.items() if key in kept}) for _, sample in items]
    return [found for found, _ in items], cast(Sample, count_ragged(samples, ragged))


def _targets(sample: Sample) -> dict[str, Tensor]:
    return dict(sample)


def _bits(value: Tensor) -> NDArray[Any]:
    return value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
