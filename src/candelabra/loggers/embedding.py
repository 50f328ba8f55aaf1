"""Embeds validation images for loggers that can show vectors."""

from itertools import groupby, islice

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.decoding.paths import escape_path
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.loggers.logger import LoggedEmbedding, LoggedTable
from candelabra.report.pictures import caption_sample
from candelabra.tasks.task import Task
from candelabra.types import Sample

_MOST = 300  # images: enough to see clusters; takes the backbone a few seconds
_SIDE = 48  # pixels of a thumbnail


def embed_validation(task: Task, data: SampleDataModule, split: str) -> LoggedEmbedding | None:
    """Embeds images spread over the validation split: the spatial mean of the backbone's final features."""
    prepared = data.dataset(split)
    places = data.spread_positions(split, _MOST)
    if not places:
        return None
    names = [escape_path(data.open().names[index]) for index in data.parts[split][places]]
    task.eval()
    vectors: list[Tensor] = []
    thumbnails: list[NDArray[np.uint8]] = []
    words: list[str] = []
    for _, alike in groupby((prepared[place] for place in places), lambda sample: sample["image"].shape):
        while batch := list(islice(alike, data.batch_size)):
            vectors.append(_features(task, torch.stack([sample["image"] for sample in batch])))
            thumbnails += [_thumbnail(sample) for sample in batch]
            words += [caption_sample(sample, data.labels) for sample in batch]
    rows = [[name, word] for name, word in zip(names, words, strict=True)]
    return LoggedEmbedding(torch.cat(vectors).numpy(), LoggedTable(["name", "label"], rows), np.stack(thumbnails))


@torch.inference_mode()
def _features(task: Task, images: Tensor) -> Tensor:
    return task.backbone.embedding(images.to(task.device)).float().cpu()


def _thumbnail(sample: Sample) -> NDArray[np.uint8]:
    image = Image.fromarray(sample["image"].permute(1, 2, 0).numpy())
    return np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)))
