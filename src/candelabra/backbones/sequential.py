"""What networks of our own share: a chain of stages, each ending in a map, and weights from a file or none."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from candelabra.backbones.weights import check_in_channels, load_weights_file, resolve_weights
from candelabra.errors import CandelabraError


def run_stages(network: nn.Sequential, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Images (N, C, H, W) -> the output of each stage, finest first, and the last once more."""
    maps: list[Tensor] = []
    for stage in network:
        images = stage(images)
        maps.append(images)
    return maps, maps[-1]


def load_or_initialize(
    network: nn.Module, name: str, weights: str, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Loads weights where a file, or a folder of a trunk, is given.

    Raises:
        CandelabraError: nobody publishes weights for this network, or the file does not fit.
    """
    if weights in ("auto", "hub", "bundled"):
        raise CandelabraError(
            f"backbone.weights={weights}: nobody publishes weights for {name}; allowed are none, or a file or an "
            "exported trunk of your own."
        )
    source = resolve_weights(weights, None)
    check_in_channels(source, mean, std)
    if source != "none":
        load_weights_file(network, Path(source))
