"""What an explanation sees of a network: images in, maps and the score of one answer out."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError, list_nearest
from candelabra.heads import Head, HeadAnswer
from candelabra.types import Features

M = TypeVar("M", bound=nn.Module)


class ScoredMaps(NamedTuple):
    """Maps by the name of their layer, finest first, each (N, C, h, w), and the score (N,) of the answer."""

    maps: Mapping[str, Tensor]
    scores: Tensor


class ScoredNetwork(ABC):
    """A network in evaluation mode, in float32, and one answer of it.

    Attributes:
        words: the answer.
        baseline: (3, 1, 1), the colour of images that show nothing.
    """

    words: str
    baseline: Tensor

    @abstractmethod
    def run(self, images: Tensor) -> ScoredMaps:
        """Images (N, 3, H, W) -> maps and scores, in the graph of the images where they require a gradient."""

    @abstractmethod
    def measure_confidence(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> (N,) in [0, 1]: how far the answer holds for them."""


class HeadNetwork(ScoredNetwork):
    """A backbone with a head; images are float in [0, 1].

    Args:
        backbone, head: in evaluation mode and float32; see `prepare_module`.
        answer: of the image that is explained; see `Head.find_answer`.
    """

    def __init__(self, backbone: Backbone, head: Head, answer: HeadAnswer) -> None:
        self.backbone, self.head, self.answer = backbone, head, answer
        self.words = answer.words
        mean = backbone.mean if len(backbone.mean) == 3 else backbone.mean.expand(3, 1, 1)
        self.baseline = mean.detach().clone()

    def run(self, images: Tensor) -> ScoredMaps:
        features: Features = self.backbone(images)
        return ScoredMaps(name_maps(features), self.answer.score(features))

    def measure_confidence(self, images: Tensor) -> Tensor:
        features: Features = self.backbone(images)
        return self.answer.confidence(features)


class ModuleNetwork(ScoredNetwork):
    """Any classifier (N, 3, H, W) -> logits (N, classes), such as a model of timm or torchvision.

    Args:
        module: in evaluation mode and float32; see `prepare_module`. It gets images as it was trained on them,
            normalised where it does not normalise them itself.
        layers: names of its modules whose outputs are maps, (N, C, h, w), or (N, h, w, C) with `channels_last`.
        index: of the class.
        channels_last: whether maps have their channels last, as in Swin of timm and torchvision.

    Raises:
        CandelabraError: it has no such layer.
    """

    def __init__(self, module: nn.Module, layers: Sequence[str], index: int, channels_last: bool = False) -> None:
        named = dict(module.named_modules())
        for layer in layers:
            if layer not in named:
                raise CandelabraError(
                    f"layer={layer} is no module of this network; allowed are {list_nearest(layer, named)}."
                )
        self.module, self.index, self.channels_last = module, index, channels_last
        self.layers = {layer: named[layer] for layer in layers}
        self.words, self.baseline = f"class {index}", torch.zeros(3, 1, 1)

    def run(self, images: Tensor) -> ScoredMaps:
        found: dict[str, Tensor] = {}
        hooks = [module.register_forward_hook(_make_hook(found, layer)) for layer, module in self.layers.items()]
        try:
            logits: Tensor = self.module(images)
        finally:
            for hook in hooks:
                hook.remove()
        maps = {layer: each.permute(0, 3, 1, 2) if self.channels_last else each for layer, each in found.items()}
        return ScoredMaps(maps, logits[:, self.index])

    def measure_confidence(self, images: Tensor) -> Tensor:
        logits: Tensor = self.module(images)
        return logits.softmax(1)[:, self.index]


class OppositeNetwork(ScoredNetwork):
    """A network with the opposite score: explanations show what speaks against the answer.

    Args:
        network: with the answer.
    """

    def __init__(self, network: ScoredNetwork) -> None:
        self.network = network
        self.words, self.baseline = f"not {network.words}", network.baseline

    def run(self, images: Tensor) -> ScoredMaps:
        maps, scores = self.network.run(images)
        return ScoredMaps(maps, -scores)

    def measure_confidence(self, images: Tensor) -> Tensor:
        return 1 - self.network.measure_confidence(images)


def _make_hook(found: dict[str, Tensor], layer: str) -> Callable[..., Tensor]:
    """A hook that keeps a map. What follows gets a copy, as it may write into it: a ReLU in place, say."""

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        found[layer] = output
        return output.clone()

    return hook


def name_maps(features: Features) -> dict[str, Tensor]:
    """Maps by layer: the number of the stage, from the input, and `final`, which most classifiers read."""
    return {**{str(stage): each for stage, each in enumerate(features.maps)}, "final": features.final}


@contextmanager
def prepare_module(module: M) -> Iterator[M]:
    """The module in evaluation mode and in float32; afterwards it is as it was.

    One with weights of another type is copied: converted weights would not be the same bits again.
    """
    if any(each.is_floating_point() and each.dtype != torch.float32 for each in module.state_dict().values()):
        yield copy.deepcopy(module).float().eval()
        return
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield module
    finally:
        for each, mode in modes:
            each.training = mode
