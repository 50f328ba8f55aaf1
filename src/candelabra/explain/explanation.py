"""Explains one image: by several methods and layers at once."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.gradients import compute_map_gradients
from candelabra.explain.methods import METHODS, ExplainSettings
from candelabra.explain.network import ModuleNetwork, ScoredNetwork, prepare_module

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
        gradients = dict(zip(found.maps, compute_map_gradients(found.scores, list(found.maps.values())), strict=True))
    maps = {layer: each.detach()[0].float() for layer, each in found.maps.items()}
    slopes = {layer: each[0].float() for layer, each in gradients.items()}
    del found
    chosen = list(dict.fromkeys(pick_layer(layer, slopes) for layer in layers))
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


def pick_layer(word: str, gradients: Mapping[str, Tensor]) -> str:
    """The layer that a word names.

    Args:
        word: the name of a layer, or auto.
        gradients: of the score by the map of each layer (C, h, w), finest first.

    Raises:
        CandelabraError: there is no such layer.
    """
    if word != AUTO_LAYER:
        if word not in gradients:
            raise CandelabraError(f"layer={word} is not known; allowed are auto, {list_nearest(word, gradients)}.")
        return word
    wide = [layer for layer, each in gradients.items() if each[0].numel() > 1 and bool(each.any())]
    return wide[-1] if wide else list(gradients)[-1]


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
