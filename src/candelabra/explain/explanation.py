"""Explains one image: by several methods and layers at once."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.gradients import compute_map_gradients
from candelabra.explain.methods import METHODS, ExplainSettings
from candelabra.explain.network import ModuleNetwork, ScoredMaps, ScoredNetwork, prepare_module

AUTO_LAYER = "auto"
_IMAGE = "image"  # stands for the layer of methods that look at the image alone


class Explanation(NamedTuple):
    """A map of evidence.

    Args:
        method: a key of `METHODS`.
        layer: whose map was used; `image` for none.
        heat: (h, w) float32 on the CPU, at least 0; it covers all that the network sees.
    """

    method: str
    layer: str
    heat: Tensor

    @property
    def title(self) -> str:
        """The method and the layer, in words."""
        place = f"stage {self.layer}" if self.layer.isdecimal() else self.layer
        return METHODS[self.method].title + (f", {place}" if METHODS[self.method].layered else "")

    @property
    def is_empty(self) -> bool:
        """Whether nothing speaks for the answer: all was negative before ReLU."""
        return not bool((self.heat > 0).any())


def explain_image(
    network: ScoredNetwork,
    image: Tensor,
    methods: Sequence[str] = ("gradcam",),
    layers: Sequence[str] = (AUTO_LAYER,),
    settings: ExplainSettings | None = None,
) -> list[Explanation]:
    """Explains an answer of a network for one image.

    Args:
        network: see `HeadNetwork` and `ModuleNetwork`.
        image: (3, H, W) as the network takes it, on its device.
        methods: keys of `METHODS`.
        layers: names of maps; auto is the last map with several positions on which the answer depends.
        settings: of the methods.

    Returns:
        An explanation of each method by each layer; methods that look at the image alone give one.

    Raises:
        CandelabraError: a method or a layer is not known.
    """
    settings = settings or ExplainSettings()
    check_methods(methods)
    with torch.enable_grad():
        found = network.run(image[None].detach().clone().requires_grad_())
        slopes = dict(compute_layer_gradient(found, layer) for layer in layers)
    maps = {layer: found.maps[layer].detach()[0].float() for layer in slopes}
    chosen = list(slopes)
    del found
    made = []
    for method in methods:
        for layer in chosen if METHODS[method].layered else chosen[:1]:
            raw = METHODS[method].compute(network, image.detach(), maps[layer], slopes[layer], settings)
            name = layer if METHODS[method].layered else _IMAGE
            made.append(Explanation(method, name, raw.relu().cpu()))
    return made


def check_methods(methods: Sequence[str]) -> None:
    """Refuses unknown methods.

    Raises:
        CandelabraError: a method is not known.
    """
    for method in methods:
        if method not in METHODS:
            raise CandelabraError(f"method={method} is not known; allowed are {', '.join(METHODS)}.")


def compute_layer_gradient(found: ScoredMaps, word: str) -> tuple[str, Tensor]:
    """The layer that a word names, and the gradient (C, h, w) of the score by its map.

    Args:
        found: of one image, N = 1.
        word: the name of a layer; or auto, the last with several positions on which the score depends.

    Raises:
        CandelabraError: there is no such layer.
    """
    if word != AUTO_LAYER and word not in found.maps:
        raise CandelabraError(f"layer={word} is not known; allowed are auto, {list_nearest(word, found.maps)}.")
    wide = [layer for layer, each in found.maps.items() if each[0, 0].numel() > 1] or list(found.maps)
    for layer in reversed(wide) if word == AUTO_LAYER else [word]:
        gradient = compute_map_gradients(found.scores, [found.maps[layer]])[0][0].float()
        if gradient.any() or word != AUTO_LAYER:
            return layer, gradient
    return wide[-1], torch.zeros_like(found.maps[wide[-1]][0])


def explain_module(
    module: nn.Module,
    image: Tensor,
    layer: str,
    index: int | None = None,
    method: str = "gradcam",
    channels_last: bool = False,
    settings: ExplainSettings | None = None,
) -> Tensor:
    """Explains a classifier of timm, torchvision or one's own; the module is afterwards as it was.

    Args:
        module: images (N, 3, H, W) -> logits (N, classes).
        image: (3, H, W), normalised as the module expects it.
        layer: the name of the module inside it whose output is the map, such as layer4.
        index: of the class; null for the most probable.
        method: a key of `METHODS`.
        channels_last: whether maps have their channels last, as those of a Swin.
        settings: of the method.

    Returns:
        (h, w) float32, at least 0, of the whole image.

    Raises:
        CandelabraError: the layer or the method is not known.

    >>> import torchvision
    >>> module = torchvision.models.resnet18(weights=None)
    >>> explain_module(module, torch.rand(3, 64, 64), "layer4").shape
    torch.Size([2, 2])
    """
    with prepare_module(module) as network:
        if index is None:
            with torch.no_grad():
                index = int(network(image[None])[0].argmax())
        scored = ModuleNetwork(network, [layer], index, channels_last)
        return explain_image(scored, image, [method], [layer], settings)[0].heat
