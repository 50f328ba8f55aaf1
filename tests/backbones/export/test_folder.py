"""A trunk goes out of a run, into timm and into other tasks, and its features stay the same to the last bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from candelabra import create_backbone
from candelabra.backbones import Backbone
from candelabra.commands.trunk import export_run, run_trunk
from candelabra.config.build import resolve_config
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import build_task
from candelabra.tasks.task import Task
from candelabra.types import Features
from tests.conftest import Compose
from tests.data.builders import make_labels

LABELS = make_labels(classes=("cat", "dog"), box=True)


def saved(tiny: Compose, folder: Path, *words: str) -> Task:
    """A run folder with a checkpoint of a task whose weights and statistics are no longer those it was built with."""
    torch.manual_seed(0)
    task = build_task(resolve_config(tiny("task=multitask", *words)), LABELS)
    colours = {id(task.backbone.mean), id(task.backbone.std)}
    with torch.no_grad():
        for tensor in [*task.backbone.parameters(), *task.backbone.buffers()]:
            if tensor.is_floating_point() and id(tensor) not in colours:
                tensor.mul_(1 + 0.1 * torch.rand_like(tensor)).add_(0.001 * torch.rand_like(tensor))
    (folder / "checkpoints").mkdir(parents=True)
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, folder / "checkpoints" / "best.ckpt")
    (folder / "results.json").write_text(json.dumps({"test/label/accuracy": 0.9, "seconds": 3.0}))
    (folder / "splits.csv").write_text("name,split\na,train\nb,train\nc,test\n")
    return task.eval()


def features(of: Backbone, images: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        found: Features = of.eval().to(memory_format=torch.channels_last)(images)
    return [*found.maps, found.final]


def same(first: Backbone, second: Backbone, side: int = 64) -> bool:
    images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    pairs = zip(features(first, images), features(second, images), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    "name",
    [
        "test_resnet",
        "test_efficientnet",
        "test_convnext",
        "alexnet",
        "cifar_net",
        "lenet5",
        pytest.param("mobilenetv3_large_100", marks=pytest.mark.slow),
    ],
)
def test_features_survive_the_round_trip_to_the_last_bit(name: str, tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run", f"backbone={name}")
    export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    assert same(task.backbone, create_backbone(str(tmp_path / "trunk")))
    again = build_task(resolve_config(tiny(f"backbone={name}", f"backbone.weights={tmp_path / 'trunk'}")), LABELS)
    assert same(task.backbone, again.backbone)


def test_timm_loads_it_by_itself(tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run", "data.size=96", "data.resize=crop")
    assert export_run(tmp_path / "run", tmp_path / "trunk", "mit") == []
    theirs: Any = timm.create_model(f"local-dir:{tmp_path / 'trunk'}", pretrained=True)
    assert theirs.pretrained_cfg["input_size"] == (3, 96, 96)
    assert theirs.pretrained_cfg["crop_mode"] == "center"
    assert theirs.pretrained_cfg["license"] == "mit"
    ours = task.backbone.state_dict()
    assert all(torch.equal(tensor, ours[f"network.{name}"]) for name, tensor in theirs.state_dict().items())
    data: Any = timm.data
    transform = data.create_transform(**data.resolve_data_config({}, model=theirs))
    assert "CenterCrop(size=(96, 96))" in str(transform)


def test_what_it_learnt_from_travels_with_it(tiny: Compose, tmp_path: Path) -> None:
    saved(tiny, tmp_path / "run")
    remarks = export_run(tmp_path / "run", tmp_path / "trunk", None)
    told = json.loads((tmp_path / "trunk" / "config.json").read_text())["candelabra"]
    assert told["training"]["images"] == {"train": 2, "test": 1}
    assert told["training"]["labels"] == {"label": {"classes": ["cat", "dog"], "multilabel": False}, "box": {}}
    assert told["metrics"] == {"test/label/accuracy": 0.9}
    assert str(tmp_path) not in (tmp_path / "trunk" / "config.json").read_text()
    assert "licence" in remarks[0]
    assert "cat" in (tmp_path / "trunk" / "README.md").read_text()


def test_layers_behind_the_features_are_zeros_and_said_to_be(tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run", "backbone=mobilenetv3_large_100")
    remarks = export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    assert "conv_head.bias" in remarks[0]
    theirs: Any = timm.create_model(f"local-dir:{tmp_path / 'trunk'}", pretrained=True).eval()
    assert not theirs.conv_head.weight.any()
    images = torch.rand(1, 3, 64, 64)
    pixels = ((images - task.backbone.mean) / task.backbone.std).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(theirs.forward_features(pixels), task.backbone(images).final)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_small_patch16_224", "swin_tiny_patch4_window7_224", "hrnet_w18", "vgg11_bn"])
def test_sizes_that_are_not_the_architecture_s_own(name: str, tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run", f"backbone={name}", "data.size=96")
    export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    assert same(task.backbone, create_backbone(str(tmp_path / "trunk")), 96)


def test_adapters_are_merged(tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run", "finetune=adapters")
    remarks = export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    assert "merged" in remarks[0]
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(
        features(create_backbone(str(tmp_path / "trunk")), images),
        features(task.backbone, images),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_trunk_of_another_backbone_is_named(tiny: Compose, tmp_path: Path) -> None:
    saved(tiny, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    with pytest.raises(CandelabraError, match="does not fit"):
        create_backbone("test_convnext", str(tmp_path / "trunk"))


def test_images_normalised_otherwise_are_refused(tiny: Compose, tmp_path: Path) -> None:
    saved(tiny, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    config = tmp_path / "trunk" / "config.json"
    told = json.loads(config.read_text())
    told["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
    config.write_text(json.dumps(told))
    with pytest.raises(CandelabraError, match=r"mean \[0.1, 0.2, 0.3\]"):
        create_backbone("test_resnet", str(tmp_path / "trunk"))


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "subprocess.run", "args": ["touch", "x"]},
        {"_target_": "candelabra.backbones.Timm", "name": "test_resnet", "options": {"checkpoint_path": "x.pth"}},
        {
            "_target_": "candelabra.backbones.Timm",
            "name": "test_resnet",
            "options": {"act_layer": {"_target_": "os.abort"}},
        },
        {"_target_": "candelabra.backbones.add_lora"},
        {"_target_": "candelabra.backbones.Backbone"},
    ],
)
def test_a_config_that_asks_for_more_than_a_trunk_needs_is_not_used(node: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"candelabra": {"backbone": node}}))
    with pytest.raises(CandelabraError, match="is not used"):
        create_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a word"),
        (["exprot", "x"], "export"),
        (["export"], "the folder of one run"),
        (["export", "x", "licens=mit"], "takes folder, licence"),
        (["push", "x"], "needs repo="),
        (["pull", "repo=a/b", "folder=x", "private=true"], "takes repo, folder"),
        (["export", "nowhere"], "neither a checkpoint nor the folder of a run"),
    ],
)
def test_words_that_cannot_be_used_are_named(words: list[str], said: str) -> None:
    with pytest.raises(CandelabraError, match=said):
        run_trunk(words)


def test_a_folder_of_something_else_is_left_alone(tiny: Compose, tmp_path: Path) -> None:
    saved(tiny, tmp_path / "run")
    with pytest.raises(CandelabraError, match="something else"):
        export_run(tmp_path / "run", tmp_path / "run", "mit")
