"""Logs of a balance: the mean weight of each head and the cosines between the heads' gradients, each epoch."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from candelabra.balancing.angles import compute_cosines
from candelabra.tasks.task import Task


class BalanceLog(L.Callback):
    """Logs `balance/<head>` and, of a balance of gradients, `balance/<head>-<head>/cosine`.

    Nothing of a balance whose weights are fixed. Means over the steps of an epoch in which the heads had labels; a run
    that goes on in mid-epoch goes on with them.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not isinstance(pl_module, Task) or pl_module.balance_state is None or pl_module.balance.has_fixed_weights:
            return
        if len(pl_module.heads) < 2:
            return
        _, counts, weights, gramian = pl_module.balance_state
        self._add("weights", weights.to(counts.device).float(), counts > 0)
        if gramian is not None:
            angles = compute_cosines(gramian)
            self._add("cosines", angles.float().nan_to_num(), angles.isfinite())

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not isinstance(pl_module, Task) or not self.sums:
            return
        names = list(pl_module.heads)
        means = {
            key: (self.sums[key] / self.sums[f"{key}/steps"]).tolist()
            for key in ("weights", "cosines")
            if key in self.sums
        }
        found = {f"balance/{name}": weight for name, weight in zip(names, means["weights"], strict=True)}
        for i, one in enumerate(names):
            for j, other in enumerate(names[:i]) if "cosines" in means else ():
                found[f"balance/{other}-{one}/cosine"] = means["cosines"][i][j]
        pl_module.log_dict({key: value for key, value in found.items() if value == value})
        self.sums = {}

    def state_dict(self) -> dict[str, Any]:
        return {key: value.cpu() for key, value in self.sums.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums = dict(state_dict)

    def _add(self, key: str, values: Tensor, there: Tensor) -> None:
        before = self.sums.get(key, torch.zeros_like(values)).to(values.device)
        steps = self.sums.get(f"{key}/steps", torch.zeros_like(values)).to(values.device)
        self.sums[key] = before + torch.where(there, values, 0.0)
        self.sums[f"{key}/steps"] = steps + there
