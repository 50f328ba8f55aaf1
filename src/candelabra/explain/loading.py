"""Checkpoints that are explained: the model in float32, one of its heads, and answers of it."""

from pathlib import Path

import torch
from torch import Tensor

from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.network import HeadNetwork, OppositeNetwork, ScoredNetwork
from candelabra.heads import Head
from candelabra.prediction.model import Model
from candelabra.types import Features


def load_explained(run: str | Path, device: str | torch.device = "auto", size: int | None = None) -> Model:
    """A trained model in float32, whatever it was trained in.

    Args:
        run: the folder of a run, or a checkpoint.
        device: see `Model`.
        size: side of what the model is shown, in pixels; null as in training.

    Raises:
        CandelabraError: it cannot be used.
    """
    model = Model(run, device, "32-true", size, batch_size=4)
    model.task.float()
    return model


def pick_head(model: Model, word: str | None = None) -> tuple[str, Head]:
    """A head of a model by name; the first by default.

    Raises:
        CandelabraError: the model has no such head.
    """
    heads = dict(model.task.named_heads())
    if word is not None and word not in heads:
        raise CandelabraError(f"head={word} is no head of this model; allowed are {list_nearest(word, heads)}.")
    name = word or next(iter(heads))
    return name, heads[name]


def make_network(
    model: Model, head: Head, image: Tensor, word: str | None = None, negative: bool = False
) -> ScoredNetwork:
    """The network for one answer to one image.

    Args:
        model: see `load_explained`.
        head: of it.
        image: (3, H, W) as the model takes it, uint8 or float in [0, 1].
        word: of the answer, see `Head.find_answer`; null for what the head says itself.
        negative: whether to show what speaks against it.

    Raises:
        CandelabraError: the head knows no such word.
        NoAnswer: the head does not say so of this image.
    """
    with torch.no_grad():
        features: Features = model.backbone(scale_image(image, model.device)[None])
        network = HeadNetwork(model.backbone, head, head.find_answer(features, word))
    return OppositeNetwork(network) if negative else network


def scale_image(image: Tensor, device: torch.device) -> Tensor:
    """An image as float in [0, 1] on a device."""
    return (image / 255 if image.dtype == torch.uint8 else image).to(device)
