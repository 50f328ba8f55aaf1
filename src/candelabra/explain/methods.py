"""The methods of explanation by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from candelabra.explain.cams import (
    compute_eigencam,
    compute_gradcam,
    compute_gradcam_plus_plus,
    compute_hirescam,
    compute_layercam,
)
from candelabra.explain.network import ScoredNetwork
from candelabra.explain.perturbation import compute_integrated_gradients, compute_occlusion, compute_scorecam


@dataclass(frozen=True)
class ExplainSettings:
    """How much work methods do.

    Args:
        channels: of a map that Score-CAM tries, those with the largest activations; null for all.
        cells: a side of the grid of occlusion.
        steps: of integrated gradients.
        batch_size: images in a forward pass.
    """

    channels: int | None = 64
    cells: int = 14
    steps: int = 32
    batch_size: int = 16


class ExplainMethod(NamedTuple):
    """A method.

    Args:
        title: its name in the literature.
        compute: network, image (3, H, W), map (C, h, w), its gradient and settings -> (h, w) before ReLU.
        layered: whether it explains by the map of a layer; the others look at the image alone.
    """

    title: str
    compute: Callable[[ScoredNetwork, Tensor, Tensor, Tensor, ExplainSettings], Tensor]
    layered: bool = True


def _weigh(cam: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda network, image, activation, gradient, settings: cam(activation, gradient)


METHODS: Mapping[str, ExplainMethod] = {
    "gradcam": ExplainMethod("Grad-CAM", _weigh(compute_gradcam)),
    "gradcam++": ExplainMethod("Grad-CAM++", _weigh(compute_gradcam_plus_plus)),
    "hirescam": ExplainMethod("HiRes-CAM", _weigh(compute_hirescam)),
    "layercam": ExplainMethod("Layer-CAM", _weigh(compute_layercam)),
    "scorecam": ExplainMethod(
        "Score-CAM",
        lambda network, image, activation, gradient, settings: compute_scorecam(
            network, image, activation, settings.channels, settings.batch_size
        ),
    ),
    "eigencam": ExplainMethod("Eigen-CAM", _weigh(compute_eigencam)),
    "occlusion": ExplainMethod(
        "occlusion",
        lambda network, image, activation, gradient, settings: compute_occlusion(
            network, image, settings.cells, settings.batch_size
        ),
        layered=False,
    ),
    "integrated": ExplainMethod(
        "integr. gradients",
        lambda network, image, activation, gradient, settings: compute_integrated_gradients(
            network, image, settings.steps, settings.batch_size
        ),
        layered=False,
    ),
}
