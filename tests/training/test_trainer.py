"""Lightning's trainer as runs build it."""

import pytest
import torch

from candelabra.training.trainer import make_trainer
from tests.small_runs import composed


def test_a_step_on_a_cpu_does_not_look_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> int:
        raise AssertionError("a GPU was looked for")

    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as Lightning does; and for the tests after this one
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(layer.parameters())
    make_trainer(dict(composed("train").trainer), logger=False, enable_checkpointing=False)
    monkeypatch.setattr(torch.cuda, "device_count", look)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
