"""Features of a labelled data set by split, from the feature cache."""

from collections.abc import Iterator
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from candelabra.backbones.backbone import Backbone
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.data.targets import LabelTarget
from candelabra.embeddings.encoder import Encoder, Vectors
from candelabra.errors import CandelabraError
from candelabra.feature_cache import CachedFeatures, FeatureCache, cache_features
from candelabra.finetuning import Frozen
from candelabra.tasks import Classification


class LabelledFeatures(NamedTuple):
    """Vectors (n, D) float32 of a split, their classes (n,) int64, and their groups (n,) or null."""

    vectors: Vectors
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None


def load_labelled_features(
    backbone: Backbone, data: SampleDataModule, cache: FeatureCache, trainer: L.Trainer
) -> dict[str, LabelledFeatures]:
    """Loads the pooled final map of every labelled image, without augmentation.

    Args:
        backbone: frozen.
        data: of images with one class each.
        cache: of features; if it has no room they are computed and not stored.
        trainer: gives device and precision.

    Raises:
        CandelabraError: the data have no class labels, several an image, or none in a split.
    """
    target = data.labels.find(LabelTarget)
    if target is None or target.multilabel:
        what = "several classes an image" if target else data.labels.list_names()
        raise CandelabraError(f"candelabra probe needs images with one class each; these data label {what}.")
    if not data.uniform:
        raise CandelabraError("candelabra probe needs images of one size; set data.size for all sets of the union.")
    data.disable_augmentation()
    task = Classification(backbone, data.labels.only([LabelTarget.name]), finetune=Frozen())
    served = cache_features(task, data, cache, trainer)
    if isinstance(served, CachedFeatures):
        served.setup("fit")
        served.setup("test")
    groups = data.find_groups()
    found = {}
    for split in SPLITS:
        phases = served.served[split] if isinstance(served, CachedFeatures) else {}
        rows = next(iter(phases.values()), None)
        if rows is None:
            encoder = Encoder(backbone, trainer.strategy.root_device, trainer.precision_plugin.forward_context)
            vectors, labels = _compute_features(encoder, data, split)
        else:
            batch = rows.__getitems__(range(len(rows)))
            vectors, labels = batch["features"].final.float().mean((2, 3)).numpy(), batch[LabelTarget.name].numpy()
        known = labels >= 0
        if not known.any():
            raise CandelabraError(f"No image of the {split} split has a class.")
        part = None if groups is None else groups[data.parts[split]][known]
        found[split] = LabelledFeatures(vectors[known], labels[known], part)
    return found


def _compute_features(encoder: Encoder, data: SampleDataModule, split: str) -> tuple[Vectors, NDArray[np.int64]]:
    def batches() -> Iterator[tuple[Vectors, NDArray[np.int64]]]:
        for batch in DataLoader(data.dataset(split), data.batch_size, generator=torch.Generator()):
            yield encoder(batch["image"]), batch[LabelTarget.name].numpy()

    vectors, labels = zip(*batches(), strict=True)
    return np.concatenate(vectors), np.concatenate(labels)
