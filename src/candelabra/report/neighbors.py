"""Draw images with their nearest ones by the vectors of an embedding head; frames say whether the class is the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.heads import find_embedding
from candelabra.report.pictures import predict_samples, write_caption
from candelabra.tasks.task import Task
from candelabra.types import Sample

_SEARCHED, _QUERIES, _NEAREST = 300, 10, 6  # images that are searched, rows and columns of the picture
_SIDE, _FRAME = 96, 4  # pixels of an image, and of the frame around it
_QUERY, _RIGHT, _WRONG = (0, 0, 0), (0, 150, 60), (210, 40, 40)


def write_neighbors(task: Task, data: SampleDataModule, folder: Path, split: str = "test") -> None:
    """Write `pictures/<head>_neighbors.png` for an embedding head; nothing where there is none, or too few images.

    Args:
        task: trained, in evaluation mode.
        data: set up.
        folder: of the run.
        split: whose images are drawn and searched, at most 300 of them.
    """
    head = find_embedding(task.heads.values())
    if head is None:
        return
    name = next(key for key, each in task.named_heads() if each is head)
    prepared = data.dataset(split)
    samples = [prepared[place] for place in data.spread_positions(split, _SEARCHED)]
    samples = [sample for sample in samples if bool(head.labelled(sample[head.target][None]).all())]
    if len(samples) < 2:
        return
    vectors = torch.stack([found[name] for found in predict_samples(task, samples)])
    classes = torch.stack([sample[head.target] for sample in samples])
    picture = draw_neighbors(samples, vectors, classes, head.target_info.classes)
    picture.save(folder / "pictures" / f"{name}_neighbors.png")


def draw_neighbors(samples: Sequence[Sample], vectors: Tensor, classes: Tensor, names: Sequence[str]) -> Image.Image:
    """Draw a row for each of some samples: the sample, framed in black, and its nearest, in green or red.

    Args:
        samples: (n) with an image, as the model takes it.
        vectors: (n, D) of length 1.
        classes: (n,) of the samples.
        names: of the classes.
    """
    similarity = vectors @ vectors.T
    similarity.fill_diagonal_(-torch.inf)
    scores, nearest = similarity.topk(min(_NEAREST, len(samples) - 1))
    queries = np.unique(np.linspace(0, len(samples) - 1, _QUERIES).astype(int)).tolist()
    step = _SIDE + 2 * _FRAME + 2
    sheet = Image.new("RGB", ((1 + nearest.shape[1]) * step, len(queries) * step), (255, 255, 255))
    for row, query in enumerate(queries):
        cards = [(query, names[int(classes[query])], _QUERY)]
        for place, score in zip(nearest[query].tolist(), scores[query].tolist(), strict=True):
            colour = _RIGHT if classes[place] == classes[query] else _WRONG
            cards.append((place, f"{score:.2f} {names[int(classes[place])]}", colour))
        for column, (place, words, colour) in enumerate(cards):
            sheet.paste(_draw_card(samples[place]["image"], words, colour), (column * step, row * step))
    return sheet


def _draw_card(image: Tensor, words: str, colour: tuple[int, int, int]) -> Image.Image:
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).convert("RGB").resize((_SIDE, _SIDE))
    write_caption(picture, words)
    return ImageOps.expand(picture, _FRAME, colour)
