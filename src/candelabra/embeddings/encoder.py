"""Encodes images of one size as vectors: the spatial mean of a backbone's final map, or those of a trained head."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.config.precision import choose_precision
from candelabra.errors import CandelabraError
from candelabra.heads import Embedding
from candelabra.types import Features

Vectors = NDArray[np.float32]
_MOST = 32  # images of a step that is measured
_LEAST = 2  # a batch of one takes other paths on a CPU than all larger ones, which agree to the last bit


class Encoder:
    """The final map of a backbone in evaluation mode, averaged over positions, as its own classifier would read it.

    Args:
        backbone: moved to the device.
        head: likewise; a head whose vectors are taken instead, see `find_embedding`.
        device: where it runs.
        context: of each forward pass; `precision_plugin.forward_context` of a trainer, say.

    Raises:
        CandelabraError: when called, if the device has no memory for two images.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: torch.device | str = "cpu",
        context: Callable[[], AbstractContextManager[None]] = nullcontext,
        head: Embedding | None = None,
    ) -> None:
        self.head = None if head is None else head.to(device).eval()
        self.dimensions = backbone.num_features if head is None else head.dimensions
        self.backbone = backbone.to(memory_format=torch.channels_last).to(device).eval()
        self.device, self.context = torch.device(device), context

    def __call__(self, images: Tensor) -> Vectors:
        """Encodes images (N, 3, H, W), uint8 or float in [0, 1], as (N, dimensions); bit-equal in any batch."""
        short = _LEAST - len(images)
        padded = torch.cat([images, images[-1:].expand(short, *images.shape[1:])]) if short > 0 else images
        return self._encode(padded)[: len(images)]

    def _encode(self, images: Tensor) -> Vectors:
        try:
            with torch.inference_mode(), self.context():
                features: Features = self.backbone(images.to(self.device, non_blocking=True))
                vectors = features.final.float().mean((2, 3)) if self.head is None else self.head(features)
                return vectors.cpu().numpy()
        except torch.OutOfMemoryError as error:
            if len(images) < 2 * _LEAST:
                raise CandelabraError(
                    f"{self.device} has no memory for {_LEAST} images of {images.shape[2]} x {images.shape[3]} pixels; "
                    "give a smaller size or backbone, or trainer=cpu."
                ) from error
        torch.cuda.empty_cache()
        half = len(images) // 2
        return np.concatenate([self._encode(images[:half]), self._encode(images[half:])])


def choose_encoding_precision(backbone: Backbone, size: tuple[int, int], *about: object) -> str:
    """The faster of 32-true and bf16-mixed for encoding images (height, width) on this CPU.

    Args:
        backbone: its mode is left as it was.
        size: of images.
        about: plain values that tell this backbone from others.
    """
    mode = backbone.training

    def make_step() -> Callable[[int], object]:
        encoder, images = Encoder(backbone), torch.zeros(_MOST, 3, *size)
        return lambda count: encoder(images[:count])

    precision = choose_precision(make_step, _MOST, "encode", size, *about)
    backbone.train(mode)
    return precision


def check_encoder(encoder: Encoder, size: tuple[int, int], channels: int = 3) -> int:
    """Runs the encoder on noise of this size; returns the peak bytes that one image needs.

    Raises:
        CandelabraError: the backbone does not work on images of this size.
    """
    outputs: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: outputs.append(_bytes(out)))
        for module in encoder.backbone.modules()
        if not list(module.children())
    ]
    noise = torch.randint(0, 256, (_LEAST, channels, *size), dtype=torch.uint8, generator=torch.Generator())
    try:
        encoder(noise)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise CandelabraError(
            f"This backbone does not work on images of {size[0]} x {size[1]} pixels ({str(error).splitlines()[0]}); "
            "give another size or backbone."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    largest = sorted(outputs, reverse=True)[:8]  # the maps of a pyramid are kept; of the others two are there at once
    return (sum(largest) + 16 * noise[0].numel()) // _LEAST


def _bytes(output: object) -> int:
    if isinstance(output, Tensor):
        return output.numel() * output.element_size()
    return sum(_bytes(part) for part in output) if isinstance(output, list | tuple) else 0
