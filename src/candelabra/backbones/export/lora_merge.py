"""Low-rank adapters put into the weights beside which they learnt, so that the trunk is an ordinary one again."""

from typing import Any

from candelabra.backbones import Backbone


def merge_lora(backbone: Backbone) -> list[str]:
    """Merges the adapters of a backbone, if there are any; what is to be said of it.

    Features then equal those with adapters within rounding, not to the last bit.
    """
    if not backbone.adapters:
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [(name, module) for name, module in backbone.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, layer in layers:
        adapted: Any = layer
        adapted.merge()
        parent, _, child = name.rpartition(".")
        setattr(backbone.get_submodule(parent), child, adapted.get_base_layer())
    return [f"The adapters of {len(layers)} layers were merged into their weights: features are equal within rounding."]
