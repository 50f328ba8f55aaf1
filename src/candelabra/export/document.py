"""What model.json says of an exported model."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from candelabra.environment import __version__
from candelabra.export.comparison import Deviation
from candelabra.export.picture_model import PictureModel
from candelabra.prediction.model import Model as TrainedModel
from candelabra.runtime.description import DESCRIPTION_FORMAT, EMBEDDING_NAME, INPUT_NAME


def describe_model(model: PictureModel, trained: TrainedModel, to: str, outputs: Sequence[str]) -> dict[str, Any]:
    """The input contract, the answers, and the recipe of the training.

    Args:
        model: that is exported.
        trained: the checkpoint.
        to: name of the format.
        outputs: names of its outputs.
    """
    backbone = model.backbone
    return {
        "format": DESCRIPTION_FORMAT,
        "candelabra": __version__,
        "to": to,
        "input": {
            "name": INPUT_NAME,
            "shape": ["N", "H", "W", 3],
            "type": "uint8",
            "colours": "RGB",
            "orientation": "upright: turn the pixels as EXIF says",
            "resize": model.resize,
            "size": list(model.size),
            "mean": backbone.mean.flatten().tolist(),
            "std": backbone.std.flatten().tolist(),
        },
        "outputs": list(outputs),
        "embedding": EMBEDDING_NAME,
        "answers": {name: head.describe_answer() for name, head in model.named_heads()},
        "backbone": {"name": backbone.name, "weights_licence": backbone.licence},
        "training": trained.task.recipe,
    }


def describe_versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of torch and of packages, where they are installed."""
    found = {"torch": str(torch.__version__)}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_gate(deviations: Sequence[Deviation] | None, pictures: int, split: str) -> dict[str, Any]:
    """What was compared, what was allowed and what was reached; without a gate it says so."""
    if deviations is None:
        return {"passed": False, "off": "gate=off: nobody compared this file with its checkpoint"}
    reached: dict[str, dict[str, dict[str, float]]] = {}
    for each in deviations:
        values = {"reached": each.reached, "allowed": each.allowed}
        reached.setdefault(each.head, {})[each.measure] = values
    return {"passed": all(each.passes for each in deviations), "split": split, "pictures": pictures, "heads": reached}


def describe_file(path: Path) -> Mapping[str, Any]:
    """The name, the bytes and the SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
