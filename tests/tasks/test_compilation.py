"""A compiled backbone learns the same, and gives no gradient to the maps that no head reads."""

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.errors import CandelabraError
from candelabra.finetuning import Full
from candelabra.heads import Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.compilation import compile_backbone
from candelabra.tasks.masked_losses import find_labels
from candelabra.types import Features
from tests.data.builders import make_labels

LABELS = make_labels(("a", "b"), mask_classes=("ground", "thing"))
HEADS = {"label": Label, "mask": Mask}


def make_task(*heads: str) -> MultiTask:
    torch.manual_seed(0)
    return MultiTask(
        Timm("test_resnet", weights="none"), LABELS, {name: HEADS[name] for name in heads}, finetune=Full()
    )


def gradients(task: MultiTask) -> dict[str, Tensor]:
    torch.manual_seed(1)
    image = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    batch = {"image": image, "label": torch.tensor([0, 1, 0, 1]), "mask": (image[:, 0] > 127).to(torch.uint8)}
    task.training_step(find_labels(batch, task.named_heads()), 0).backward()
    return {name: each.grad for name, each in task.named_parameters() if each.grad is not None}


@pytest.mark.parametrize(("heads", "unread"), [(("label",), {0, 1, 2, 3, 4}), (("label", "mask"), set())])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_gradients_are_those_of_a_backbone_that_is_not_compiled(heads: tuple[str, ...], unread: set[int]) -> None:
    plain, compiled = make_task(*heads), make_task(*heads)
    compile_backbone(compiled, torch.zeros(3, 32, 32), backend="aot_eager")
    assert compiled.training
    assert compiled.backbone.unread == unread
    found, wanted = gradients(compiled), gradients(plain)
    assert found.keys() == wanted.keys()
    assert any(name.startswith("backbone") for name in found)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
    for one, other in zip(plain.buffers(), compiled.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_head_that_begins_to_read_a_map_is_an_error() -> None:
    task = make_task("label")
    compile_backbone(task, torch.zeros(3, 32, 32), backend="eager")
    head = task.heads["label"]
    plain = head.forward
    head.forward = lambda features: plain(features) + Features(*features).maps[0].mean()
    with pytest.raises(CandelabraError, match="map 0"):
        gradients(task)
