"""Small models that are explained: untrained ones of each head, and their checkpoints."""

from collections.abc import Callable
from pathlib import Path

import torch

from candelabra.backbones import Timm
from candelabra.data.targets import (
    BoxesTarget,
    BoxTarget,
    DepthTarget,
    KeypointsTarget,
    Labels,
    LabelTarget,
    MaskTarget,
    OrdinalTarget,
    ValueTarget,
)
from candelabra.heads import FCOS, Box, Depth, Embedding, Head, Keypoints, Label, Mask, Ordinal, Pooled, Value
from candelabra.types import Features

LABELS = Labels(
    LabelTarget(("cat", "dog", "bird")),
    BoxTarget(),
    KeypointsTarget(("nose", "tail")),
    MaskTarget(("background", "pet")),
    BoxesTarget(("cat", "dog")),
    DepthTarget(),
    ValueTarget(("age", "size")),
    OrdinalTarget(("low", "high")),
)


def make_head(name: str, backbone: Timm) -> Head:
    """An untrained head in evaluation mode."""
    torch.manual_seed(1)
    made: dict[str, Callable[[], Head]] = {
        "label": lambda: Label(backbone, LABELS),
        "box": lambda: Box(backbone, LABELS),
        "box regressed": lambda: Box(backbone, LABELS, Pooled),
        "keypoints": lambda: Keypoints(backbone, LABELS),
        "mask": lambda: Mask(backbone, LABELS),
        "depth": lambda: Depth(backbone, LABELS),
        "value": lambda: Value(backbone, LABELS),
        "ordinal": lambda: Ordinal(backbone, LABELS),
        "embedding": lambda: Embedding(backbone, LABELS),
        "boxes": lambda: FCOS(backbone, LABELS, width=16, score_threshold=0.0),
    }
    return made[name]().eval()


def extract(backbone: Timm, side: int = 64) -> tuple[torch.Tensor, Features]:
    """An image (3, side, side), and its features."""
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return image, backbone.eval()(image[None])


def list_pictures(folder: Path) -> list[str]:
    """Names of the PNG files of a folder."""
    return sorted(path.name for path in folder.glob("*.png"))
