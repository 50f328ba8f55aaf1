"""The contract of a backbone: images in, a pyramid of feature maps out, parameters divided into stages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from candelabra.types import Features


class Backbone(nn.Module, ABC):
    """A network without its classifier.

    Takes images (N, C, H, W), uint8 or float in [0, 1], and normalises them itself: preprocessing travels with
    the weights. `stages[i]` lists the modules, each without its children, whose own parameters and buffers
    are needed for `maps[i]` and not for an earlier map; the last stage also holds what makes `final`.

    Attributes:
        name: of the architecture, as the library behind it calls it.
        channels: channels of each map, finest first.
        strides: pixels of the image an element of each map stands for.
        num_features: channels of `final`.
        stages: as many as there are maps; every parameter in exactly one.
        mean, std: per channel, for images in [0, 1].
        side: pixels of the images that it, or its weights, were made for.
        licence: of its published weights, as their publisher states it; null where nobody does.
        frozen: how many stages, from the input, do not learn now.
        adapters: small modules beside weights that then hold still, all of them in some stage; see `adapters.py`.
    """

    name: str
    channels: list[int]
    strides: list[int]
    num_features: int
    stages: list[list[nn.Module]]
    mean: Tensor
    std: Tensor
    side: int
    licence: str | None

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.stages = []
        self.adapters: list[nn.Module] = []
        self.side, self.licence = 224, None
        self.frozen = 0
        self.keep_statistics = False

    @abstractmethod
    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Normalised images (N, C, H, W) -> maps, finest first, and final; all (N, c, h, w)."""

    @abstractmethod
    def layers(self) -> list[list[nn.Parameter]]:
        """All parameters divided finer than into stages, from the input on: a stem, each block, what is behind them.

        Raises:
            CandelabraError: nobody knows the layers of this network.
        """

    def forward(self, images: Tensor) -> Features:
        """Images (N, C, H, W), uint8 in [0, 255] or float in [0, 1] -> features."""
        pixels = images / 255 if images.dtype == torch.uint8 else images
        pixels = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps, final = self.extract(pixels)
        return Features(maps, final, (images.shape[-2], images.shape[-1]))

    def embedding(self, images: Tensor) -> Tensor:
        """Images as `forward` takes them -> (N, num_features): the mean of `final` over its positions."""
        features: Features = self(images)
        return features.final.mean((2, 3))

    def learners(self, stage: int, kinds: tuple[type[nn.Module], ...] = (nn.Module,)) -> set[nn.Parameter]:
        """Which parameters of a stage learn while it thaws: those of adapters if there are any, else of `kinds`."""
        modules = set(self.adapters).intersection(self.stages[stage]) if self.adapters else self.stages[stage]
        return {p for m in modules if isinstance(m, kinds) for p in m.parameters(recurse=False)}

    def freeze(
        self, stages: int, keep_statistics: bool = False, kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    ) -> None:
        """Holds the first `stages` stages still, running statistics and dropout included; the others learn.

        Args:
            stages: 0 (all learn) to len(self.stages) (none does).
            keep_statistics: batch normalisation uses and keeps its running statistics also where weights
                learn, which small data sets want.
            kinds: the modules whose own parameters learn in the other stages.
        """
        self.frozen, self.keep_statistics = stages, keep_statistics
        for index, stage in enumerate(self.stages):
            learners = self.learners(index, kinds) if index >= stages else set()
            for module in stage:
                for parameter in module.parameters(recurse=False):
                    parameter.requires_grad_(parameter in learners)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Backbone":
        """As in every module, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            for module in stage:
                module.training = False
        if self.keep_statistics:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.training = False
        return self


def fit_channels(values: Sequence[float], channels: int) -> list[float]:
    """Mean or deviation of three colours for images of other channels: their average, for each."""
    return list(values) if len(values) == channels else [sum(values) / len(values)] * channels


def divide_into_stages(network: nn.Module, ends: Sequence[str]) -> list[list[nn.Module]]:
    """Divides a network's modules into stages, in the order in which they are registered.

    Args:
        network: its modules are registered in the order in which they run, as in timm and torchvision.
        ends: for each stage, the name of the last module that belongs to it.
    """
    names = [name for name, _ in network.named_modules()]
    last = [max(i for i, name in enumerate(names) if name == end or name.startswith(f"{end}.")) for end in ends]
    stages: list[list[nn.Module]] = [[] for _ in ends]
    for position, module in enumerate(network.modules()):
        stages[next((i for i, end in enumerate(last) if position <= end), len(ends) - 1)].append(module)
    return stages


def drop_unused_modules(network: nn.Module, used: set[nn.Module]) -> None:
    """Removes children that hold parameters and were not needed to make features, such as a classifier."""
    for name, child in list(network.named_children()):
        if used.isdisjoint(child.modules()) and next(child.parameters(), None) is not None:
            setattr(network, name, nn.Identity())


def keep_depthwise_float32(network: nn.Module) -> None:
    """Makes depthwise convolutions leave autocast on a CPU.

    Their backward in bfloat16 is several times slower there than in float32, which costs more than all other
    layers gain. On a GPU nothing changes.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            # A partial, not a bound method: a bound method set as `forward` cannot be unpickled.
            module.forward = partial(_float32_on_cpu, module)  # type: ignore[method-assign]


def _float32_on_cpu(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    if images.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return type(convolution).forward(convolution, images)
    with torch.autocast("cpu", enabled=False):
        return type(convolution).forward(convolution, images.float())
