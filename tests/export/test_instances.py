"""Masks of objects from an exported file are those of the checkpoint, by every way to them."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_masks
from torch import nn

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.errors import CandelabraError
from candelabra.export.formats import OnnxFormat
from candelabra.prediction.model import Model as TrainedModel
from candelabra.runtime import Model
from candelabra.types import Size
from tests.exported import export_run_to, make_pictures, train_run
from tests.small_runs import composed

pytestmark = pytest.mark.slow  # the exporter takes a quarter of a minute for a model of instances
LEAST = 0.005  # score; a tiny model is never certain
LIMIT = f"score_threshold={LEAST}"


class ExportedInstances(NamedTuple):
    """A run, its exported model, and pictures."""

    run: Path
    model: Path
    pictures: Path


def write_once(written: Path) -> Callable[[OnnxFormat, nn.Module, Path, Size], None]:
    """Traces one model for all files of it, which takes longest; what follows upon it is done for each."""
    write = OnnxFormat.write

    def write_copy(self: OnnxFormat, model: nn.Module, path: Path, size: Size) -> None:
        if not written.exists():
            write(self, model, written, size)
        shutil.copy(written, path)

    return write_copy


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> ExportedInstances:
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("instances")
    detector = [f"task.instances.detector.{word}" for word in ("max_detections=20", LIMIT)]
    words = ("task=instances", "data=many_shapes", "data.resize=letterbox", "data.size=64", "lr=0.01", *detector)
    run = train_run(folder / "run", *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxFormat, "write", write_once(folder / "written.onnx"))
        assert export_run_to(run, folder / "exported", "half=true", "name=half", LIMIT) == 0
        assert export_run_to(run, folder / "exported", LIMIT) == 0
    return ExportedInstances(run, folder / "exported" / "model.onnx", make_pictures(folder / "pictures"))


def open_checkpoint(segmenter: ExportedInstances) -> TrainedModel:
    return TrainedModel(segmenter.run, "cpu", "32-true", decoding={"score_threshold": LEAST})


def test_objects_and_their_pixels_are_those_of_the_checkpoint(segmenter: ExportedInstances) -> None:
    """Also in files that are read at a half of their size, and turned by EXIF."""
    ours, theirs = Model(segmenter.model)(segmenter.pictures), open_checkpoint(segmenter)(segmenter.pictures)
    assert sum(len(answer.instances) for answer in ours) > 10
    for answer, prediction in zip(ours, theirs, strict=True):
        assert answer.to_dict()["instances"] == prediction.to_dict()["instances"]
        for found, wanted in zip(answer.instances, prediction.instances, strict=True):
            assert (found.mask.spread(answer.size) != wanted.mask.spread(answer.size)).mean() <= 2e-3


def test_predict_and_eval_give_the_tables_of_the_checkpoint(segmenter: ExportedInstances, tmp_path: Path) -> None:
    for key, given in (("checkpoint", segmenter.run), ("model", segmenter.model)):
        words = [f"{key}={given}", "trainer=cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
        folder = tmp_path / key
        run_predict(composed("predict", *words, LIMIT, f"source={segmenter.pictures}", f"folder={folder}"))
        run_eval(composed("eval", *words, "data.workers=0", "split=val", f"folder={folder / 'eval'}"))
    tables = [
        list(csv.reader((tmp_path / key / "predictions.csv").read_text().splitlines()))
        for key in ("checkpoint", "model")
    ]
    assert tables[0][0] == tables[1][0]
    assert [row[2] for row in tables[0]] == [row[2] for row in tables[1]]
    results = [json.loads((tmp_path / key / "eval" / "results.json").read_text()) for key in ("checkpoint", "model")]
    metrics = {key: value for key, value in results[0].items() if "/instances/" in key and "accuracy" not in key}
    assert "val/instances/map50" in metrics
    for key, value in metrics.items():
        assert results[1][key] is None if key.endswith("/loss") else results[1][key] == pytest.approx(value, abs=1e-3)
    with pytest.raises(CandelabraError, match="tta=flip cannot average the head instances"):
        TrainedModel(segmenter.model, "cpu", tta="flip")


def test_weights_of_16_bits_halve_the_file(segmenter: ExportedInstances) -> None:
    whole, half = segmenter.model, segmenter.model.with_name("half.onnx")
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    documents = [json.loads(path.with_suffix(".json").read_text()) for path in (whole, half)]
    assert [document["half"] for document in documents] == [False, True]
    assert set(documents[1]["gate"]["heads"]["instances"]) == {"metric"}
    path = segmenter.pictures / "3.png"
    np.testing.assert_allclose(Model(half).embed(path), Model(whole).embed(path), rtol=0.02, atol=0.02)


def test_half_is_refused_where_it_cannot_be(segmenter: ExportedInstances, tmp_path: Path) -> None:
    for words in (["to=torch_export"], ["quantise=int8"]):
        with pytest.raises(CandelabraError, match="half=true needs to=onnx or to=openvino, and no quantise"):
            export_run_to(segmenter.run, tmp_path, "half=true", *words)


def test_the_server_gives_masks_as_run_lengths(segmenter: ExportedInstances) -> None:
    pytest.importorskip("starlette")
    from starlette.testclient import TestClient

    from candelabra.serving.app import make_app
    from candelabra.serving.limits import ServingLimits

    path = segmenter.pictures / "3_turned.jpg"
    answer = Model(segmenter.model)(path)
    with TestClient(make_app(Model(segmenter.model), ServingLimits())) as client:
        plain = client.post("/predict", content=path.read_bytes()).json()["answers"][0]
        found = client.post("/predict?maps=true", content=path.read_bytes()).json()["answers"][0]
    assert plain == {**answer.to_dict(), "image": "picture"}
    for each, thing in zip(found["instances"], answer.instances, strict=True):
        assert each["mask"]["size"] == [150, 131]
        inside = coco_masks.decode(coco_masks.frPyObjects(each["mask"], 150, 131))
        assert (inside.astype(bool) == thing.mask.spread((150, 131))).all()
