"""Packages that single options of a run need."""

from collections.abc import Mapping
from typing import Any

from candelabra.environment import require_package

# By config group: the class of an option, what is typed for it, and its package. Other options refuse when they are
# built, which is before data and weights are read.
_NEEDED = {
    "finetune": ("candelabra.finetuning.Adapters", "adapters", "peft"),
    "balance": ("candelabra.balancing.CAGrad", "cagrad", "cvxpy"),
    "task": ("candelabra.tasks.MetricLearning", "embedding", "pytorch_metric_learning"),
}


def check_packages(plain: Mapping[str, Any]) -> None:
    """Refuses options whose package is not installed, before data and weights are read.

    Args:
        plain: config of a run.

    Raises:
        CandelabraError: the message names the extra.
    """
    for group, (target, option, package) in _NEEDED.items():
        node = plain.get(group)
        if isinstance(node, Mapping) and node.get("_target_") == target:
            require_package(package, f"{group}={option}", f"take another {group}")
