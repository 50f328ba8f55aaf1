"""Low-rank adapters: beside every stage, without effect at first, and in checkpoints that load again."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from candelabra.backbones import Backbone, Torchvision, add_lora
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.finetuning import Adapters
from candelabra.tasks.loading import load_task
from tests.conftest import Compose
from tests.finetuning.runs import task, tiny


class Depthwise(Backbone):
    """A network with nothing that an adapter could be put on."""

    def __init__(self) -> None:
        super().__init__([0.5], [0.5])
        self.network = nn.Conv2d(4, 4, 3, stride=2, groups=4)
        self.channels, self.strides, self.num_features = [4], [2], 4
        self.stages = [[self.network]]

    def extract(self, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        found = self.network(images.expand(-1, 4, -1, -1))
        return [found], found

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(self.network.parameters())]


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_stages_stay_complete_and_features_as_they_were(name: str) -> None:
    backbone = tiny(name).eval()
    size = backbone.network.pretrained_cfg["input_size"][-1]
    images = torch.rand(2, 3, size, size)
    before = backbone(images).final
    learning = sum(p.numel() for p in backbone.parameters())
    add_lora(backbone, 4)
    assert torch.equal(before, backbone.eval()(images).final)
    staged = [p for stage in backbone.stages for m in stage for p in m.parameters(recurse=False)]
    assert len(staged) == len(set(staged)) == len(list(backbone.parameters()))
    backbone.freeze(0)
    names = {key for key, p in backbone.named_parameters() if p.requires_grad}
    assert names
    assert all("lora_" in key for key in names)
    assert sum(p.numel() for p in backbone.parameters()) == learning + sum(
        p.numel() for p in backbone.parameters() if p.requires_grad
    )
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert not set(convolutions) & set(backbone.adapters)
    backbone.freeze(1)
    assert not any(p.requires_grad for m in backbone.stages[0] for p in m.parameters(recurse=False))


def test_a_traced_backbone_of_torchvision_takes_them_too() -> None:
    backbone = Torchvision("alexnet", ["features.2", "features.12"], [8, 32], weights="none").eval()
    images = torch.rand(1, 3, 64, 64)
    before = backbone(images).final
    add_lora(backbone, 2)
    for module in backbone.adapters:
        for parameter in module.parameters(recurse=False):
            nn.init.ones_(parameter)
    assert not torch.equal(before, backbone(images).final)


def test_where_no_layer_allows_them_they_are_refused() -> None:
    with pytest.raises(CandelabraError, match=r"finds no layer to adapt.*neither grouped nor dilated"):
        task(Adapters(), backbone=Depthwise())


def test_without_peft_one_sentence_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(CandelabraError, match=r"needs the package peft; install it with pip install 'candelabra\[ada"):
        task(Adapters())


def test_a_checkpoint_with_adapters_loads_again(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny("epochs=1", "data.count=60", "task=classification", "finetune=adapters", "finetune.rank=2"))
    saved = torch.load(tmp_path / "train" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    loaded = load_task(tmp_path / "train")
    assert all(torch.equal(saved[key], value) for key, value in loaded.state_dict().items())
    adapted = [value for key, value in saved.items() if "lora_B" in key]
    assert any(value.any() for value in adapted)
