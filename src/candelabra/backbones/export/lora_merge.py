"""Merge low-rank adapters into the weights of a backbone."""

from typing import Any

from candelabra.backbones import Backbone
from candelabra.environment import require_package


def merge_lora(backbone: Backbone) -> list[str]:
    """Merge the adapters of a backbone, in place; it is then an ordinary network again.

    Features equal those with adapters within rounding, not bit for bit.

    Returns:
        One remark for the user; none if the backbone has no adapters.
    """
    if not backbone.adapters:
        return []
    require_package("peft", "A backbone with adapters")
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [(name, module) for name, module in backbone.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, layer in layers:
        adapted: Any = layer
        adapted.merge()
        parent, _, child = name.rpartition(".")
        setattr(backbone.get_submodule(parent), child, adapted.get_base_layer())
    return [f"The adapters of {len(layers)} layers were merged into their weights: features are equal within rounding."]
