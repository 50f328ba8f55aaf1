"""Checkpoints that are explained: the model in float32, one of its heads, and answers of it."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.registry import create_backbone
from candelabra.data.samples import make_sample
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.errors import CandelabraError, UnreadableFile, list_nearest
from candelabra.explain.network import HeadNetwork, OppositeNetwork, ScoredNetwork
from candelabra.heads import Head
from candelabra.prediction.input_images import InputImage
from candelabra.prediction.model import Model, find_device
from candelabra.tasks.derived_head import find_trained_head
from candelabra.types import Features

log = logging.getLogger(__name__)


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


def load_plain_backbone(
    backbone: str | None, run: str | Path | None, weights: str = "auto", device: str | torch.device = "auto"
) -> Backbone:
    """A backbone by name, or that of a run, in evaluation mode and in float32; random weights are always the same.

    Args:
        backbone: an entry of conf/backbone, a model of timm, or an exported backbone.
        run: the folder of a run, or a checkpoint.
        weights: of a name, see `create_backbone`.
        device: see `Model`.

    Raises:
        CandelabraError: both or neither is given, or it cannot be loaded.
    """
    if (backbone is None) == (run is None):
        raise CandelabraError("Give either backbone=<name> or checkpoint=<run>.")
    if run is not None:
        return load_explained(run, device).backbone
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        made = create_backbone(str(backbone), weights)
    return made.float().eval().to(find_device(device))


def read_images(paths: Sequence[Path], side: int, device: torch.device) -> Iterator[Tensor]:
    """Images (3, side, side), float in [0, 1], stretched to a square; those that cannot be read are left out."""
    pipeline = make_eval_transforms(make_resize("stretch", (side, side)))
    for path in paths:
        try:
            pixels = InputImage(str(path), path).read(pipeline.least).pixels
        except UnreadableFile as error:
            log.warning("%s is left out: %s", path, error)
            continue
        yield scale_image(pipeline(make_sample(pixels))["image"], device)


def pick_head(model: Model, word: str | None = None) -> tuple[str, Head]:
    """A head of a model by name; the first by default.

    Raises:
        CandelabraError: the model has no such head, or the head cannot be explained.
    """
    heads = dict(model.task.named_heads())
    if word is not None and word not in heads:
        raise CandelabraError(f"head={word} is no head of this model; allowed are {list_nearest(word, heads)}.")
    name = word or next(iter(heads))
    kind = type(find_trained_head(heads[name]))
    if kind.find_answer is Head.find_answer:
        raise CandelabraError(f"The head {name} ({kind.__name__}) cannot be explained: its answer is not one number.")
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
