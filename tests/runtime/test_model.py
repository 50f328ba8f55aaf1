"""An exported model without torch gives the answers of its checkpoint, by every way to them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.errors import CandelabraError
from candelabra.prediction.model import Model as TrainedModel
from candelabra.prediction.trained_task import choose_trained_model
from candelabra.runtime import Model
from tests.exported import HEADS, ExportedRun
from tests.small_runs import composed

WITHOUT_TORCH = """
import json, sys, time
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "lightning", "hydra", "omegaconf", "pandas", "scipy"):
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
sys.meta_path.insert(0, Blocked())
from candelabra.runtime import Model
answers = Model(sys.argv[1])(sys.argv[2])
assert "torch" not in sys.modules
print(json.dumps([answer.to_dict() for answer in answers]))
"""
SERVING_WITHOUT_TORCH = WITHOUT_TORCH.replace("answers =", "import candelabra.serving.server\nanswers =")


@pytest.mark.parametrize("script", [WITHOUT_TORCH, SERVING_WITHOUT_TORCH])
def test_it_answers_where_torch_cannot_be_imported(script: str, exported: ExportedRun) -> None:
    command = [sys.executable, "-W", "ignore", "-c", script, str(exported.model), str(exported.pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = [each.to_dict() for each in TrainedModel(exported.run, "cpu", "32-true")(exported.pictures)]
    found = json.loads(done.stdout)
    assert [each["image"] for each in found] == [each["image"] for each in expected]
    assert [each["label"]["name"] for each in found] == [each["label"]["name"] for each in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours["height"], ours["width"]) == (theirs["height"], theirs["width"])
        assert ours["box"] == pytest.approx(theirs["box"], abs=0.02)
        assert ours["mask"] == pytest.approx(theirs["mask"], abs=1e-3)
        for name, place in theirs["keypoints"].items():
            assert ours["keypoints"][name] == pytest.approx(place, abs=0.02)


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'onnxruntime', 'scipy', 'pandas'}"
    script = f"import sys, candelabra.runtime; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_answers_are_those_of_the_checkpoint_in_pixels_of_files(exported: ExportedRun) -> None:
    """Also for files that are read at a half of their size, and turned by EXIF."""
    ours, theirs = (
        Model(exported.model)(exported.pictures),
        TrainedModel(exported.run, "cpu", "32-true")(exported.pictures),
    )
    assert any(not Model(exported.model).read("", Path(each.name)).is_whole for each in ours)
    for answer, prediction in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(answer.values["label"], prediction.values["label"].numpy(), atol=1e-4)
        for name in ("box", "keypoints"):
            np.testing.assert_allclose(answer.values[name], prediction.values[name].numpy(), atol=0.02)
        assert (answer.mask != prediction.values["mask"].numpy()).mean() <= 1e-3
        assert str(answer.label) == str(prediction.label)


def test_files_bytes_arrays_and_batches_answer_alike(exported: ExportedRun) -> None:
    model = Model(exported.model)
    path = exported.pictures / "3.png"
    alone = model(path)
    for given in (path.read_bytes(), Image.open(path), np.asarray(Image.open(path))):
        np.testing.assert_allclose(model(given).values["label"], alone.values["label"], atol=1e-6)
    for answer in model([path] * 11):
        np.testing.assert_allclose(answer.values["box"], alone.values["box"], atol=1e-3)
    assert model.embed(exported.pictures).shape == (10, TrainedModel(exported.run, "cpu").embed([path]).shape[1])


def test_what_is_no_picture_and_no_model_is_refused(exported: ExportedRun, tmp_path: Path) -> None:
    model = Model(exported.model)
    with pytest.raises(CandelabraError, match="takes uint8"):
        model(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(CandelabraError, match="is no picture"):
        model(3)
    with pytest.raises(CandelabraError, match="is no file"):
        Model(tmp_path / "none.onnx")
    lone = tmp_path / "lone.onnx"
    lone.write_bytes(b"no model")
    with pytest.raises(CandelabraError, match=r"needs lone\.json beside it"):
        Model(lone)
    lone.with_suffix(".json").write_text("{")
    with pytest.raises(CandelabraError, match="cannot be used"):
        Model(lone)
    lone.with_suffix(".json").write_text(exported.model.with_suffix(".json").read_text())
    with pytest.raises(CandelabraError, match="cannot be loaded"):
        Model(lone)


def test_a_description_of_another_file_is_refused(exported: ExportedRun, tmp_path: Path) -> None:
    """That of a second export into the same folder, whose classes are others."""
    first, renamed = tmp_path / "model.onnx", tmp_path / "renamed.onnx"
    document = json.loads(exported.model.with_suffix(".json").read_text())
    for path in (first, renamed):
        path.write_bytes(exported.model.read_bytes())
    document["file"] |= {"name": "model.pt2", "bytes": 14}
    first.with_suffix(".json").write_text(json.dumps(document))
    (tmp_path / "model.pt2").write_bytes(b"exported later")
    with pytest.raises(CandelabraError, match=r"model\.json beside it is that of model\.pt2, which was exported later"):
        Model(first)
    renamed.with_suffix(".json").write_text(exported.model.with_suffix(".json").read_text())
    assert Model(renamed)(np.zeros((8, 8, 3), np.uint8)).label is not None


def test_predict_and_eval_give_the_tables_of_the_checkpoint(exported: ExportedRun, tmp_path: Path) -> None:
    for key, given in (("checkpoint", exported.run), ("model", exported.model)):
        words = [f"{key}={given}", "trainer=cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
        run_predict(
            composed("predict", *words, f"source={exported.pictures}", f"folder={tmp_path / key}", "pictures=1")
        )
        run_eval(composed("eval", *words, "data.workers=0", "split=val", f"folder={tmp_path / key / 'eval'}"))
    tables = [
        list(csv.reader((tmp_path / key / "predictions.csv").read_text().splitlines()))
        for key in ("checkpoint", "model")
    ]
    assert tables[0][0] == tables[1][0]
    assert [row[1] for row in tables[0]] == [row[1] for row in tables[1]]
    for ours, theirs in zip(tables[1][1:], tables[0][1:], strict=True):
        assert [float(cell) for cell in ours[2:]] == pytest.approx([float(cell) for cell in theirs[2:]], abs=0.02)
    results = [json.loads((tmp_path / key / "eval" / "results.json").read_text()) for key in ("checkpoint", "model")]
    assert results[0].keys() == results[1].keys()
    for key, value in results[0].items():
        if key.startswith("val/"):
            assert results[1][key] == pytest.approx(value, abs=1e-3)
    assert {key.split("/")[1] for key in results[1] if key.count("/") == 2} == set(HEADS)
    for path in (tmp_path / "checkpoint" / "masks").glob("*.png"):
        other = np.asarray(Image.open(tmp_path / "model" / "masks" / path.name))
        assert (np.asarray(Image.open(path)) != other).mean() <= 1e-3


def test_a_mirrored_average_works_and_another_size_is_refused(exported: ExportedRun) -> None:
    path = exported.pictures / "3.png"
    words = {"device": "cpu", "precision": "32-true"}
    ours, theirs = (TrainedModel(each, **words, size=32)(path) for each in (exported.model, exported.run))
    np.testing.assert_allclose(ours.values["label"], theirs.values["label"], atol=1e-4)
    with pytest.raises(CandelabraError, match="is not that of this exported model"):
        TrainedModel(exported.model, **words, size=64)(path)


def test_a_command_takes_a_checkpoint_or_an_exported_file() -> None:
    with pytest.raises(CandelabraError, match="Give either checkpoint=<run> or model="):
        choose_trained_model({"checkpoint": None, "model": None})
    with pytest.raises(CandelabraError, match=r"a and b\.onnx are given"):
        choose_trained_model({"checkpoint": "a", "model": "b.onnx"})
    with pytest.raises(CandelabraError, match="is checkpoint=runs/first"):
        choose_trained_model({"checkpoint": None, "model": "runs/first"})
