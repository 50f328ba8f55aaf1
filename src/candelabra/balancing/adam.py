"""Adam for one vector, with its state in the checkpoint, for balances that learn weights."""

import torch
from torch import Tensor, nn


class VectorAdam(nn.Module):
    """Adam (Kingma & Ba 2015), element by element: an element without a gradient does not change.

    The state of `torch.optim.Adam` is not part of a module's state and does not move with it to another device.

    Args:
        size: number of elements.
        lr: learning rate, above 0.
        decay: factor of the L2 penalty, 0 or more.
    """

    def __init__(self, size: int, lr: float, decay: float = 0.0) -> None:
        super().__init__()
        self.lr, self.decay = lr, decay
        for name in ("steps", "first", "second"):
            self.register_buffer(name, torch.zeros(size))
        self.steps: Tensor
        self.first: Tensor
        self.second: Tensor

    @torch.no_grad()
    def forward(self, values: Tensor, gradient: Tensor, moves: Tensor) -> Tensor:
        """Returns the values (m,) after one step, which changes the elements where `moves` is true.

        Args:
            values: (m,).
            gradient: (m,) of what is minimised.
            moves: (m,) bool.
        """
        gradient = gradient + self.decay * values
        self.steps += moves
        self.first = torch.where(moves, 0.9 * self.first + 0.1 * gradient, self.first)
        self.second = torch.where(moves, 0.999 * self.second + 0.001 * gradient**2, self.second)
        steps = self.steps.clamp(min=1)
        first, second = self.first / (1 - 0.9**steps), self.second / (1 - 0.999**steps)
        return torch.where(moves, values - self.lr * first / (second.sqrt() + 1e-8), values)
