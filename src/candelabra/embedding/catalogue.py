"""A backbone by its name, without a command line."""

from typing import Any

import timm
import yaml

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.timm import Timm
from candelabra.config import build
from candelabra.errors import CandelabraError, nearest
from candelabra.helping import CONF


def named(name: str, weights: str = "auto") -> Backbone:
    """A backbone of conf/backbone, or any of timm.

    Args:
        name: as after `backbone=`, or timm's.
        weights: as `backbone.weights`.

    Raises:
        CandelabraError: there is none of this name, or its weights are not to be had.
    """
    known = sorted(path.stem for path in (CONF / "backbone").glob("*.yaml") if path.stem != "timm")
    if name in known:
        node: dict[str, Any] = yaml.safe_load((CONF / "backbone" / f"{name}.yaml").read_text(encoding="utf-8"))
        made: Backbone = build({**node, "weights": weights})
        return made
    if timm.is_model(name):
        return Timm(name, weights)
    raise CandelabraError(
        f"backbone={name} is not known; the nearest are {nearest(name, [*known, *timm.list_models()])}."
    )
