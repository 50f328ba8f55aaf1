"""What a balance weighs: losses are checked; gradients of heads are measured, and dropped where there is no label."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import lightning as L
from torch import Tensor, nn

from candelabra.balancing.balance import Balance
from candelabra.balancing.gradients import SharedGradients
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.tasks.masked_losses import HeadLosses
from candelabra.tasks.ranks import average_over_ranks
from candelabra.types import Features


class BalanceState(NamedTuple):
    """What a balance did in the last step.

    Args:
        losses: head name -> () mean loss, without a gradient.
        counts: (m,) labelled samples on all ranks.
        weights: (m,) factors of the losses, or of the gradients on the backbone.
        gramian: (m, m) inner products of these gradients; none for a balance of losses.
    """

    losses: dict[str, Tensor]
    counts: Tensor
    weights: Tensor
    gramian: Tensor | None


def check_losses(balance: Balance, heads: Mapping[str, Head]) -> None:
    """Checks that a balance can weigh the losses of these heads.

    Raises:
        CandelabraError: it needs positive ones, and that of a head can be below 0.
    """
    negative = [name for name, head in heads.items() if head.has_negative_loss]
    if balance.needs_positive_losses and negative:
        raise CandelabraError(
            f"The loss of {', '.join(negative)} can be below 0, where the weights of {type(balance).__name__} mean "
            f"nothing; choose balance=fixed or balance=pcgrad, or another loss for {', '.join(negative)}."
        )


def measure_gradients(
    losses: HeadLosses, features: Features, inputs: Features, backbone: nn.Module, trainer: L.Trainer | None
) -> SharedGradients:
    """The gradient of each head's loss on the parameters of the backbone.

    Args:
        losses: of the heads, computed from `inputs`.
        features: of the backbone.
        inputs: the same, detached from the backbone.
        backbone: whose parameters learn.
        trainer: gives the ranks, and the factor of losses in float16; none outside of a run.
    """
    # Lightning's plugin for mixed precision in float16 has a scaler, the others have no such attribute.
    scaler = getattr(trainer.precision_plugin, "scaler", None) if trainer else None
    mean = partial(average_over_ranks, trainer) if trainer and trainer.world_size > 1 else None
    return SharedGradients(
        list(losses.each.values()),
        features,
        inputs,
        list(backbone.parameters()),
        mean,
        float(scaler.get_scale()) if scaler else 1.0,
    )


def drop_gradients(backbone: nn.Module, heads: Iterable[nn.Module], labelled: Sequence[float]) -> None:
    """Sets the gradients of heads without a label to None, and those of the backbone if no head has one.

    Args:
        backbone: of all heads.
        heads: in order.
        labelled: for each head, the number of ranks that had a label for it.
    """
    for head, ranks in zip(heads, labelled, strict=True):
        if not ranks:
            head.zero_grad(set_to_none=True)
    if not any(labelled):
        backbone.zero_grad(set_to_none=True)
