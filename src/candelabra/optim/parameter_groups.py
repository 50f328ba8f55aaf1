"""Parameter groups: learning rate, weight decay and name of each part of a network."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.finetuning.norm_only import NORM_LAYERS
from candelabra.finetuning.strategy import FineTuning

ParameterGroups = list[dict[str, Any]]
OptimizerFactory = Callable[[ParameterGroups], Optimizer]
DEFAULT_OPTIMIZER: OptimizerFactory = partial(AdamW, lr=1e-3, weight_decay=0.01)


@dataclass(frozen=True)
class ParameterPart:
    """A stage of the backbone, or a layer where the strategy is layerwise.

    Attributes:
        name: backbone/stage0, backbone/layer7, ...
        stage: the stage it thaws with.
        scale: its rate as a share of the heads' rate.
        parameters: all of them.
        learners: how many numbers learn while it is not frozen.
    """

    name: str
    stage: int
    scale: float
    parameters: list[nn.Parameter]
    learners: int


def divide_parameters(backbone: Backbone, strategy: FineTuning) -> list[ParameterPart]:
    """The backbone under a strategy, from the input on.

    Raises:
        CandelabraError: the strategy does not fit this backbone.
    """
    stages = [[p for module in stage for p in module.parameters(recurse=False)] for stage in backbone.stages]
    stage_of = {p: index for index, stage in enumerate(stages) for p in stage}
    learners = {p for index in range(len(stages)) for p in backbone.trainable_parameters(index, strategy.kinds)}
    if not learners:
        kinds = ", ".join(kind.__name__.strip("_") for kind in strategy.kinds)
        raise CandelabraError(
            f"This finetune teaches only the backbone's layers of some kinds ({kinds}) and it has none of them; choose "
            "another finetune, or a backbone that has (vgg16_bn instead of vgg16, say)."
        )
    word, divided = ("layer", backbone.layers()) if strategy.layerwise else ("stage", stages)
    return [
        ParameterPart(
            f"backbone/{word}{index}",
            max((stage_of[p] for p in parameters), default=index),
            strategy.lr_scale(index, len(divided)),
            parameters,
            sum(p.numel() for p in parameters if p in learners),
        )
        for index, parameters in enumerate(divided)
    ]


def make_parameter_groups(backbone: Backbone, strategy: FineTuning, others: Sequence[nn.Module]) -> ParameterGroups:
    """Groups with a name and their rate as a share `scale`; norms and biases stand apart and do not decay.

    Neighbours of equal rate share a group (backbone/stages0-4): each group costs time in every step.

    Args:
        backbone: all its parameters are there, whatever is frozen: a group added later breaks schedulers.
        strategy: gives the rates.
        others: modules that learn at the heads' rate.
    """
    named: ParameterGroups = []
    for part in divide_parameters(backbone, strategy):
        if named and named[-1]["scale"] == part.scale:
            named[-1]["params"].extend(part.parameters)
            named[-1]["last"] = part.name
        else:
            named.append({"first": part.name, "last": part.name, "scale": part.scale, "params": list(part.parameters)})
    heads = [p for module in others for p in module.parameters()]
    named.append({"first": "heads", "last": "heads", "scale": 1.0, "params": heads})
    still = is_undecayed([backbone, *others])
    groups: ParameterGroups = []
    for group in named:
        name = _join_names(group["first"], group["last"])
        matrices = [p for p in group["params"] if p not in still]
        vectors = [p for p in group["params"] if p in still]
        if matrices:
            groups.append({"name": name, "scale": group["scale"], "params": matrices})
        if vectors:
            groups.append({"name": f"{name}/no_decay", "scale": group["scale"], "params": vectors, "weight_decay": 0.0})
    return groups


def make_optimizer(make: OptimizerFactory, groups: ParameterGroups) -> Optimizer:
    """The optimizer of these groups, each at its share of the rate.

    A fused one takes the factor of 16-bit floats out of the gradients by itself, in its step. Lightning then refuses to
    clip them, in bfloat16 too, which has no such factor; without the mark it takes it out before it clips.
    """
    optimizer = make(groups)
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    for group in optimizer.param_groups:
        group["lr"] *= group.pop("scale")
    return optimizer


def is_undecayed(networks: Iterable[nn.Module]) -> set[nn.Parameter]:
    """Parameters of normalisation layers, biases (also those of more dimensions, as Swin's), and all vectors."""
    return {
        parameter
        for network in networks
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim <= 1 or isinstance(module, NORM_LAYERS) or "bias" in name
    }


def _join_names(first: str, last: str) -> str:
    """backbone/stage0 and backbone/stage4 -> backbone/stages0-4."""
    if first == last:
        return first
    word = first.rstrip("0123456789")
    return f"{word}s{first.removeprefix(word)}-{last.removeprefix(word)}"
