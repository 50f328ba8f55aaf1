"""Backbones of several families, exported with a class, points and a mask or with a detector, run as in torch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from candelabra.backbones import Timm
from candelabra.contracts.examples import make_value_batch
from candelabra.contracts.options import list_options, list_targets
from candelabra.data.targets import Labels
from candelabra.export.comparison import measure_stage
from candelabra.export.formats import ModelFormat, OnnxFormat, OpenVinoFormat, TorchExportFormat
from candelabra.export.onnx_file import list_outputs
from candelabra.export.picture_model import PictureModel

pytestmark = pytest.mark.slow
FAMILIES = ("test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_byobnet", "mobilenetv3_small_050")
FORMATS = (OnnxFormat(), OpenVinoFormat(), TorchExportFormat())
SIZE = (64, 96)
HEADS = {"pixels": ("label", "heatmap", "mask"), "fcos": ("fcos",), "retinanet": ("retinanet",)}


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_exported_with_its_answers(
    family: str, heads: tuple[str, ...], form: ModelFormat, tmp_path: Path
) -> None:
    for package in form.packages:
        pytest.importorskip(package)
    torch.manual_seed(0)
    backbone = Timm(family, weights="none").eval()
    built = {}
    for name in heads:
        build = list_options("head")[name]
        target, _ = make_value_batch(list_targets()[build.func.target])  # type: ignore[attr-defined]
        built[name] = build(backbone, Labels(target)).eval()
    model = PictureModel(backbone, built, SIZE, "letterbox").eval().requires_grad_(False)
    path = tmp_path / f"model{form.suffix}"
    form.write(model, path, SIZE)
    names = list_outputs(model, SIZE)
    session = form.open(path, names)
    draw = np.random.default_rng(0)
    for shape in ((1, 75, 50), (5, 33, 121)):
        pictures = draw.integers(0, 256, (*shape, 3), dtype=np.uint8)
        with torch.no_grad():
            expected = model(torch.from_numpy(pictures))
        found = session.run(pictures, names)
        apart = {name: measure_stage(expected[name].numpy(), found[name]) for name in names}
        assert {name: value for name, value in apart.items() if value > 1e-3} == {}
