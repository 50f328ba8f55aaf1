"""The gate refuses files that give other answers, and names the first stage where they part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.commands.export import open_gate_data
from candelabra.config.build import resolve_config
from candelabra.export.exporter import GateFailure, export_model
from candelabra.export.picture_model import PictureModel, make_picture_model
from candelabra.heads import Head
from candelabra.prediction.model import Model
from tests.exported import ExportedRun, ModuleFormat, train_run
from tests.small_runs import composed

HEADS = ["label", "box", "mask"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate") / "run"
    return train_run(folder, "task=multitask", "data.resize=letterbox", "data.targets=[label,box,mask]", "lr=0.01")


def export_with(run: Path, folder: Path, change: Callable[[PictureModel], nn.Module]) -> Any:
    """Exports a changed model, run by torch in place of a runtime."""
    plain = resolve_config(composed("export", f"checkpoint={run}", f"folder={folder}", "pictures=16"))
    trained = Model(run, "cpu", "32-true")
    data = open_gate_data(plain, trained)
    model = make_picture_model(trained.task, trained.size, "letterbox", HEADS)
    # Scenes drawn on squares would hide how other shapes are resized; the gate's own changed pictures are enough.
    return export_model(change(model), trained, folder / "model.onnx", ModuleFormat(), data)


def keep(values: Tensor) -> Tensor:
    return values


class Changed(PictureModel):
    """A model that sees changed pictures or pixels, or says something else."""

    def __init__(self, model: PictureModel, **changes: Callable[[Tensor], Tensor]) -> None:
        super().__init__(model.backbone, dict(model.named_heads()), model.size, model.resize)
        self.changes = changes

    def trace_stages(self, images: Tensor) -> dict[str, Tensor]:
        change = self.changes.get("images", keep)
        stages = super().trace_stages(change(images))
        return {name: self.changes.get(name, keep)(value) for name, value in stages.items()}


class ChangedBackbone(nn.Module):
    """A backbone that sees changed pixels."""

    def __init__(self, backbone: Any, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.backbone, self.change = backbone, change
        self.mean, self.std, self.name, self.licence = backbone.mean, backbone.std, "changed", None

    def forward(self, images: Tensor) -> Any:
        return self.backbone(self.change(images))


class LogitsModel(PictureModel):
    """A model whose label head ends with logits."""

    def trace_stages(self, images: Tensor) -> dict[str, Tensor]:
        stages = super().trace_stages(images)
        return {**stages, "label": stages["label_raw"]}


def drop_activation(model: PictureModel) -> nn.Module:
    return LogitsModel(model.backbone, dict(model.named_heads()), model.size, model.resize)


def swap_colours(model: PictureModel) -> nn.Module:
    return Changed(model, images=lambda images: images.flip(-1))


def align_corners(model: PictureModel) -> nn.Module:
    def resample(pixels: Tensor) -> Tensor:
        small = F.interpolate(pixels, (31, 31), mode="bilinear", align_corners=True)
        return F.interpolate(small, (32, 32), mode="bilinear", align_corners=True)

    model.backbone = ChangedBackbone(model.backbone, resample)  # type: ignore[assignment]
    return model


def train(model: PictureModel) -> nn.Module:
    next(module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)).train()
    return model


def overflow(model: PictureModel) -> nn.Module:
    def halve(values: Tensor) -> Tensor:
        return (values * 1e7).half().float() / 1e7

    return Changed(model, label_raw=halve, label=lambda each: halve(each).softmax(1))


def shift_mean(model: PictureModel) -> nn.Module:
    model.backbone.mean = model.backbone.mean + 0.05
    return model


def stretch(model: PictureModel) -> nn.Module:
    model.resize = "stretch"
    return model


def swap_classes(model: PictureModel) -> nn.Module:
    return Changed(model, label=lambda values: values.roll(1, 1))


FAULTS: dict[str, tuple[Callable[[PictureModel], nn.Module], str]] = {
    "missing softmax": (drop_activation, ""),
    "BGR": (swap_colours, "pixels"),
    "align_corners": (align_corners, "map_0"),
    "training mode": (train, "map_0"),
    "fp16 overflow": (overflow, "label_raw"),
    "wrong mean": (shift_mean, "map_0"),
    "stretched instead of letterboxed": (stretch, "pixels"),
    "swapped classes": (swap_classes, ""),
}


def test_a_right_model_passes_and_its_description_says_what_was_reached(run: Path, tmp_path: Path) -> None:
    found = export_with(run, tmp_path, lambda model: model)
    assert {each.head for each in found} == {*HEADS, "embedding"}
    assert all(each.passes for each in found)
    document = json.loads((tmp_path / "model.json").read_text())
    assert document["gate"]["passed"] is True
    assert document["gate"]["heads"]["label"]["probability"]["reached"] <= 1e-4
    assert document["answers"]["label"]["kind"] == "probabilities"
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.json"}


@pytest.mark.parametrize("fault", FAULTS)
def test_seeded_faults_are_caught_and_located(fault: str, run: Path, tmp_path: Path) -> None:
    change, stage = FAULTS[fault]
    with pytest.raises(GateFailure) as caught:
        export_with(run, tmp_path / "out", change)
    first = next((each.stage for each in caught.value.stages if not each.passes), "")
    assert first == stage  # none: all before the answers is right
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_exports_a_file_that_passes(exported: ExportedRun) -> None:
    document = json.loads(exported.model.with_suffix(".json").read_text())
    assert document["gate"]["passed"] is True
    assert set(document["answers"]) == {"label", "box", "keypoints", "mask"}
    assert set(document["gate"]["heads"]) == {*document["answers"], "embedding"}
    assert document["file"]["bytes"] == exported.model.stat().st_size
    assert document["versions"]["onnxruntime"]
    assert document["input"]["resize"] == "letterbox"


def test_heads_are_modules(run: Path) -> None:
    model = make_picture_model(Model(run, "cpu").task, (32, 32), "letterbox", ["label"])
    assert [isinstance(head, Head) for _, head in model.named_heads()] == [True]
