"""Low-rank adapters: small trained matrices added to frozen weights (LoRA, Hu et al. 2022), through peft."""

import torch
from torch import nn

from candelabra.backbones.backbone import Backbone
from candelabra.environment import require_package
from candelabra.errors import CandelabraError


def add_lora(backbone: Backbone, rank: int) -> None:
    """Add an adapter to each linear layer and each ordinary convolution of a backbone, in place.

    An adapter belongs to the stage of its layer. It starts at zero, so the features do not change before training.

    Two limits. timm initialises the last norm of a residual branch to zero: on random weights, while that norm is
    frozen, adapters in the branch get no gradient (with pretrained weights they do). Layers whose weight is read
    instead of called (`qkv` of BEiT) get an adapter that has no effect.

    Args:
        backbone: is changed in place; its `adapters` and `stages` then contain the new modules.
        rank: of each adapter, 1 or more.

    Raises:
        CandelabraError: peft is not installed, or no layer can be adapted.
    """
    names = [name for name, module in backbone.named_modules() if _is_adaptable(module)]
    if not names:
        raise CandelabraError(
            "finetune=adapters finds no layer to adapt: this backbone has no linear layer and no ordinary convolution "
            "(neither grouped nor dilated); use finetune=discriminative or another backbone."
        )
    require_package("peft", "finetune=adapters")
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), backbone)
    for stage in backbone.stages:
        old = set(stage)
        for layer in [backbone.get_submodule(name) for name in names]:
            base = layer.get_submodule("base_layer")
            if base in old:
                new = [module for module in layer.modules() if module is not base]
                stage.extend(new)
                backbone.adapters.extend(new)
    backbone.to(memory_format=torch.channels_last)


def _is_adaptable(module: nn.Module) -> bool:
    """Whether peft adapts this module correctly.

    Exact types only: an adapter skips what a subclass does to its weight or input (weight standardization, padding).
    """
    if type(module) is nn.Conv2d:  # peft drops the dilation of a convolution
        return module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
    return type(module) is nn.Linear
