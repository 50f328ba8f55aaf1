"""A training step gives a GPU work and never waits for its results; seen without a GPU, by the operations alone."""

import traceback
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Scratch
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.masked_losses import find_labels

ALL = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": Mask}
WAITING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::bincount", "aten::equal"}
VARIANTS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "partly labelled": {"labelled": 0.5},
    "mixup": {"mixup": 0.4},
    "multiscale": {"multiscale": (0.5, 1.5)},
}


class RecordCopies(TorchDispatchMode):
    """Records copies between devices that block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default and args[0].device != made.device and not kwargs.get("non_blocking"):
            self.found.append("".join(traceback.format_stack(limit=6)))
        return made


def prepare(variant: str) -> tuple[MultiTask, Any]:
    data = DataModule(
        Shapes(count=60, canvas=64), size=64, batch_size=16, workers=0, augment="light", **VARIANTS[variant]
    )
    heads = {"label": Label} if variant == "mixup" else ALL
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, heads, finetune=Scratch())
    return task, find_labels(next(iter(data.train_dataloader())), task.named_heads())


@pytest.mark.parametrize("variant", VARIANTS)
def test_neither_the_step_nor_its_gradients_need_a_value_on_the_host(variant: str) -> None:
    task, batch = prepare(variant)
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as recorded:
        task.training_step(batch, 0).backward()
    assert {event.name for event in recorded.events()} & WAITING == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_step_copies_to_a_gpu_does_not_block(variant: str) -> None:
    task, batch = prepare(variant)

    def fake(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
        return torch.nn.Parameter(made) if isinstance(value, torch.nn.Parameter) else made

    with FakeTensorMode():
        for module in task.modules():
            for kept in (module._parameters, module._buffers):
                kept.update({name: fake(value) for name, value in kept.items()})
        with RecordCopies() as copies:
            loss = task.training_step(tree_map(fake, batch), 0)
    assert loss.is_cuda
    assert copies.found == []
