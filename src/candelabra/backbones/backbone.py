"""The abstract backbone: maps images to a pyramid of feature maps; its parameters are divided into stages."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from candelabra.errors import CandelabraError
from candelabra.types import Features


class Backbone(nn.Module, ABC):
    """A network without its classifier.

    Takes images (N, C, H, W), uint8 or float in [0, 1], and normalises them itself, so that the preprocessing is
    saved with the weights. `stages[i]` lists modules, without their children. Their own parameters and buffers are
    needed for `maps[i]` and for no earlier map. The last stage also contains the layers that compute `final`.

    Attributes:
        name: name of the architecture in its library.
        channels: channels of each map, finest map first.
        strides: stride of each map, in pixels of the image.
        num_features: channels of `final`.
        stages: one per map; every parameter belongs to exactly one stage.
        mean, std: per channel, for images in [0, 1].
        side: image side in pixels for which the architecture or its weights were designed.
        licence: licence of the published weights, as stated by their publisher; null if none is stated.
        frozen: number of frozen stages, counted from the input.
        adapters: adapter modules, if any; only these are trained then. Each belongs to a stage; see `lora.py`.
        unread: indices of maps that no head reads. A compiled backbone would compute with gradients of zeros for them,
            so that in training they are returned without a gradient.
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
        self.unread: frozenset[int] = frozenset()

    @abstractmethod
    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Compute features of normalised images (N, C, H, W).

        Returns:
            The maps, finest first, and `final`; each (N, c, h, w).
        """

    @abstractmethod
    def layers(self) -> list[list[nn.Parameter]]:
        """Return all parameters grouped by layer, ordered from input to output: stem, each block, final layers.

        Raises:
            CandelabraError: the library does not define the layers of this network.
        """

    def forward(self, images: Tensor) -> Features:
        """Normalise images (N, C, H, W), uint8 in [0, 255] or float in [0, 1], and compute their features.

        A backbone of one channel takes images of three, as data give them, too: their mean, which of grey ones is grey.

        Raises:
            CandelabraError: the images have another number of channels.
        """
        pixels = images / 255 if images.dtype == torch.uint8 else images
        if pixels.shape[1] != len(self.mean):
            if (pixels.shape[1], len(self.mean)) != (3, 1):
                raise CandelabraError(
                    f"backbone.in_channels={len(self.mean)}, but these images have {pixels.shape[1]} channels: files "
                    "are read as RGB, whatever bands they have; set backbone.in_channels=3, or 1 for grey images."
                )
            pixels = pixels.mean(1, keepdim=True)
        pixels = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps, final = self.extract(pixels)
        if self.training and self.unread:
            maps = [each.detach() if index in self.unread else each for index, each in enumerate(maps)]
        return Features(maps, final, (images.shape[-2], images.shape[-1]))

    def resume(self, first: Features) -> Features:
        """Compute the features of the other stages from those of the first k.

        The network runs with the map of the last of these stages as its images, and with modules that change nothing in
        place of those of the first stages. That is right for networks that run one module after another, as
        convolutional ones do; `can_resume` tells.

        Args:
            first: k maps; `final` is the last of them.
        """
        with skip_modules(self._find_first_modules(count := len(first.maps))):
            maps, final = self.extract(first.final)
        return Features([*first.maps[:-1], first.final, *maps[count:]], final, first.size)

    @torch.no_grad()
    def can_resume(self, features: Features, count: int) -> bool:
        """Whether `resume` gives the same bits as the whole network, in evaluation mode.

        Args:
            features: of images.
            count: of the first stages.
        """
        try:
            again = self.resume(take_first_stages(features, count))
        except Exception:  # networks of libraries raise anything when given what they do not expect
            return False
        pairs = zip([*again.maps, again.final], [*features.maps, features.final], strict=True)
        return all(torch.equal(one, other) for one, other in pairs)

    def _find_first_modules(self, count: int) -> list[nn.Module]:
        """The outermost modules that belong to the first stages with all that they contain."""
        own = {module for stage in self.stages[:count] for module in stage}
        whole = [module for module in own if own.issuperset(module.modules())]
        inner = {child for module in whole for child in module.children()}
        return [module for module in whole if module not in inner]

    def embedding(self, images: Tensor) -> Tensor:
        """Compute embeddings (N, num_features) of images: the mean of `final` over its positions."""
        features: Features = self(images)
        return features.final.mean((2, 3))

    def trainable_parameters(self, stage: int, kinds: tuple[type[nn.Module], ...] = (nn.Module,)) -> set[nn.Parameter]:
        """Return the parameters of a stage that are trained while it is not frozen.

        Args:
            stage: index of the stage.
            kinds: module types; only their own parameters are trained. Ignored if the backbone has adapters, which
                are then the only trained modules.
        """
        modules = set(self.adapters).intersection(self.stages[stage]) if self.adapters else self.stages[stage]
        return {p for m in modules if isinstance(m, kinds) for p in m.parameters(recurse=False)}

    def freeze(
        self, stages: int, keep_statistics: bool = False, kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    ) -> None:
        """Freeze the first `stages` stages, including running statistics and dropout; unfreeze the others.

        Args:
            stages: from 0 (all stages are trained) to len(self.stages) (all are frozen).
            keep_statistics: whether batch normalisation uses its running statistics, and does not update them, in
                trained stages too. Recommended for small data sets.
            kinds: module types; only their own parameters are trained in the other stages.
        """
        self.frozen, self.keep_statistics = stages, keep_statistics
        for index, stage in enumerate(self.stages):
            trained = self.trainable_parameters(index, kinds) if index >= stages else set()
            for module in stage:
                for parameter in module.parameters(recurse=False):
                    parameter.requires_grad_(parameter in trained)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode as `nn.Module.train` does, but keep frozen modules in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            for module in stage:
                module.training = False
        if self.keep_statistics:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.training = False
        return self


def take_first_stages(features: Features, count: int) -> Features:
    """The features of the first stages; `final` is the map of the last of them."""
    return Features(features.maps[:count], features.maps[count - 1], features.size)


@contextmanager
def skip_modules(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Has modules return their input as it is."""
    own = [module.__dict__.get("forward") for module in modules]
    for module in modules:
        module.forward = _return_input
    try:
        yield
    finally:
        for module, forward in zip(modules, own, strict=True):
            if forward is None:
                del module.forward
            else:
                module.forward = forward


def _return_input(values: Tensor) -> Tensor:
    return values


def fit_channels(values: Sequence[float], channels: int) -> list[float]:
    """Fit a per-channel mean or deviation to another number of channels: repeat the average of the values."""
    return list(values) if len(values) == channels else [sum(values) / len(values)] * channels


def divide_into_stages(network: nn.Module, ends: Sequence[str]) -> list[list[nn.Module]]:
    """Divide the modules of a network into stages, in order of registration.

    Args:
        network: modules must be registered in the order in which they run, as in timm and torchvision.
        ends: for each stage, the name of its last module.
    """
    names = [name for name, _ in network.named_modules()]
    last = [max(i for i, name in enumerate(names) if name == end or name.startswith(f"{end}.")) for end in ends]
    stages: list[list[nn.Module]] = [[] for _ in ends]
    for position, module in enumerate(network.modules()):
        stages[next((i for i, end in enumerate(last) if position <= end), len(ends) - 1)].append(module)
    return stages


def drop_unused_modules(network: nn.Module, used: set[nn.Module]) -> None:
    """Replace children that have parameters but are not needed for features, such as a classifier, by identities.

    Args:
        network: is changed in place.
        used: the modules that ran when features were computed.
    """
    for name, child in list(network.named_children()):
        if used.isdisjoint(child.modules()) and next(child.parameters(), None) is not None:
            setattr(network, name, nn.Identity())


def keep_float32_convolutions(network: nn.Module) -> None:
    """Exclude from autocast on CPUs the convolutions that oneDNN computes badly in bfloat16. On a GPU nothing changes.

    The backward pass of depthwise ones takes several times as long as in float32, and this costs more than all other
    layers gain from bfloat16. On maps narrower than the kernel, strided convolutions and those with large kernels may
    leave parts of the gradient of the weights unwritten: whatever lay in that memory, up to 1e38 or NaN (oneDNN 3.13 on
    an AMD EPYC; 3 x 3 with stride 2 on one pixel, 7 x 7 on two).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and (_is_depthwise(module) or _may_leave_gaps(module)):
            # A partial, not a bound method: a bound method set as `forward` cannot be unpickled.
            module.forward = partial(_convolve_float32_on_cpu, module)  # type: ignore[method-assign]


def _is_depthwise(convolution: nn.Conv2d) -> bool:
    return convolution.groups == convolution.in_channels > 1


def _may_leave_gaps(convolution: nn.Conv2d) -> bool:
    width = convolution.kernel_size[1]
    return width > 3 or (width > 1 and max(convolution.stride) > 1)


def _convolve_float32_on_cpu(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    needed = _is_depthwise(convolution) or images.shape[-1] < convolution.kernel_size[1]
    if needed and images.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return type(convolution).forward(convolution, images.float())
    return type(convolution).forward(convolution, images)
