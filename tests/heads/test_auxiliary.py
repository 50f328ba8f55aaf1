"""Auxiliary classifiers teach the middle of a backbone, and are gone in evaluation."""

import pytest
import torch

from candelabra.backbones import Timm, Torchvision
from candelabra.backbones.registry import find_backbone_config
from candelabra.config.build import build_object, resolve_config
from candelabra.errors import CandelabraError
from candelabra.heads import Auxiliary, Label
from candelabra.tasks.loading import build_task
from tests.conftest import Compose
from tests.data.builders import make_labels

LABELS = make_labels(classes=("cat", "dog", "cow"))


def test_outputs_in_training_are_its_own_and_each_classifier_s(backbone: Timm) -> None:
    head = Auxiliary(backbone, LABELS)
    features = backbone(torch.rand(2, 3, 64, 64))
    assert head(features).shape == (2, 2, 3)
    assert torch.equal(head.eval()(features), head.main(features))


def test_the_loss_is_its_own_and_a_share_of_each_other(backbone: Timm) -> None:
    head = Auxiliary(backbone, LABELS, weight=0.5, dropout=0.0)
    label = Label(backbone, LABELS)
    outputs, target = torch.randn(2, 3, 3), torch.tensor([0, 2])
    parts = [label.loss(outputs[:, i], target, (64, 64)) for i in range(3)]
    torch.testing.assert_close(head.loss(outputs, target, (64, 64)), parts[0] + 0.5 * (parts[1] + parts[2]))
    torch.testing.assert_close(head.loss(outputs[:, 0], target, (64, 64)), parts[0])


def test_what_lies_behind_the_map_learns_nothing_from_it(backbone: Timm) -> None:
    head = Auxiliary(backbone, LABELS)
    outputs = head(backbone(torch.rand(2, 3, 64, 64)))
    outputs[:, 1].sum().backward()
    own = [[p for m in stage for p in m.parameters(recurse=False)] for stage in backbone.stages]
    learnt = [any(p.grad is not None and bool(p.grad.any()) for p in stage) for stage in own]
    assert learnt == [True, True, True, True, False]


@pytest.mark.parametrize(("name", "channels"), [("googlenet_auxiliary", [512, 528]), ("inception_v3", [768])])
def test_they_sit_where_the_papers_put_them(name: str, channels: list[int]) -> None:
    with torch.device("meta"):
        head = Auxiliary(build_object({**find_backbone_config(name), "weights": "none"}), LABELS)
    assert [other[1].in_channels for other in head.others] == channels  # type: ignore[index, union-attr]


def test_googlenet_s_nodes_do_not_change_its_features() -> None:
    torch.manual_seed(0)
    plain: Torchvision = build_object({**find_backbone_config("googlenet"), "weights": "none"}).eval()
    other: Torchvision = build_object({**find_backbone_config("googlenet_auxiliary"), "weights": "none"}).eval()
    other.network.load_state_dict(plain.network.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(plain(images).final, other(images).final)


def test_it_is_an_option_of_training(tiny: Compose) -> None:
    task = build_task(
        resolve_config(tiny("task=multitask", "head@task.heads.label=auxiliary")), make_labels(classes=("a", "b"))
    )
    batch = {"image": torch.rand(4, 3, 64, 64), "label": torch.tensor([0, 1, -1, 0])}
    loss = task.training_step(batch, 0)  # type: ignore[arg-type]
    loss.backward()
    assert all(p.grad is not None for p in task.heads.parameters())
    assert task.eval().predictions(batch["image"])["label"].shape == (4, 2)


def test_a_backbone_without_such_a_map_is_refused() -> None:
    lenet = build_object({**find_backbone_config("lenet5")})
    with pytest.raises(CandelabraError, match="its strides are 1, 2, 4"):
        Auxiliary(lenet, LABELS)
