"""Shared functions of the networks of this package: run sequential stages, load weights."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from candelabra.backbones.weights import check_in_channels, load_weights_file, resolve_weights
from candelabra.errors import CandelabraError


def run_stages(network: nn.Sequential, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Run stages on images (N, C, H, W); return the output of each stage, finest first, and the last one again."""
    maps: list[Tensor] = []
    for stage in network:
        images = stage(images)
        maps.append(images)
    return maps, maps[-1]


def load_or_initialize(
    network: nn.Module, name: str, weights: str, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Load weights if a weights file or the folder of an exported backbone is given.

    Args:
        network: is changed in place.
        name: of the network, for messages.
        weights: none, the path of a weights file, or the folder of an exported backbone.
        mean: per channel, of the backbone; must equal that of an exported backbone.
        std: likewise.

    Raises:
        CandelabraError: no weights are published for this network, or the file does not fit.
    """
    if weights in ("auto", "hub", "bundled"):
        raise CandelabraError(
            f"backbone.weights={weights}: nobody publishes weights for {name}; allowed are none, a file or "
            "the folder of an exported backbone."
        )
    source = resolve_weights(weights, None)
    check_in_channels(source, mean, std)
    if source != "none":
        load_weights_file(network, Path(source))
