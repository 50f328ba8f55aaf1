"""Depth, numbers and grades from a table to an exported model: learned, measured, predicted, converted, resumed."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.data import RenderedShapes, Table
from candelabra.prediction.model import Model
from candelabra.runtime import Model as ExportedModel
from tests.conftest import Compose
from tests.exported import export_run_to
from tests.runtime.test_model import WITHOUT_TORCH
from tests.small_runs import composed
from tests.tasks.round_trips import check_cached_features, check_conversion
from tests.training.test_interruption import assert_equal, in_a_process

COUNT = 60
ALL = ("depth", "value", "ordinal", "mask", "label")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """table.csv with depth, count, mean_size, stage, mask and label; every fifth cell is empty."""
    folder = tmp_path_factory.mktemp("scenes")
    samples = RenderedShapes(count=COUNT, canvas=40, objects=4).read()
    for part in ("images", "depths", "masks"):
        (folder / part).mkdir()
    rows = []
    for index in range(COUNT):
        sample = samples[index]
        count, size = sample["value"].tolist()
        Image.fromarray(sample["image"].permute(1, 2, 0).numpy()).save(folder / "images" / f"{index}.png")
        steps = (sample["depth"].numpy() * 500).round().astype(np.uint16)
        Image.fromarray(steps).save(folder / "depths" / f"{index}.png")
        Image.fromarray(sample["mask"].numpy()).save(folder / "masks" / f"{index}.png")
        cells = [
            f"depths/{index}.png",
            count,
            size,
            int(count) - 1,
            f"masks/{index}.png",
            "few" if count < 3 else "many",
        ]
        rows.append([f"images/{index}.png", *("" if (index + place) % 5 == 0 else c for place, c in enumerate(cells))])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "depth", "count", "mean_size", "stage", "mask", "label"], *rows])
    return folder


def table_words(scenes: Path) -> list[str]:
    return [
        "data=table",
        f"data.root={scenes}",
        "data.values=[count,mean_size]",
        "data.grade=stage",
        "data.words={depth_scale: 0.002}",
        "data.mask_classes=[wall,shape]",
        "data.size=32",
        "data.augment=none",
    ]


def read_results(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "results.json").read_text())
    return {key: value for key, value in found.items() if "/" in key}


@pytest.fixture(scope="module")
def joint(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all heads on partly labelled images."""
    folder = tmp_path_factory.mktemp("joint") / "run"
    words = [*table_words(scenes), "epochs=2", "task.heads.value.loss=gaussian_nll", "data.resize=letterbox"]
    run_train(composed("train", f"folder={folder}", *words))
    return folder


@pytest.mark.figures
def test_all_heads_learn_from_one_table_any_cell_of_which_is_empty(joint: Path) -> None:
    results = read_results(joint)
    for name, metric in (("depth", "delta1"), ("value", "r2"), ("ordinal", "kappa"), ("mask", "iou"), ("label", "f1")):
        assert f"test/{name}/{metric}" in results
    assert {"test/value/count_mae", "test/value/mean_size_rmse", "test/depth/abs_rel"} <= set(results)
    assert results["test/ordinal/count"] + results["val/ordinal/count"] < 18  # a fifth is not labelled
    names = {path.name for path in (joint / "pictures").iterdir()}
    assert {"predictions.png", "value_scatter.png", "depth_scatter.png", "ordinal_confusion.png"} <= names
    heads = json.loads((joint / "heads.json").read_text())
    assert "mean_size_mae" in str(heads["value"])


def test_predictions_are_in_the_unit_of_the_table_and_in_the_size_of_the_image(joint: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    scene = RenderedShapes(count=1, canvas=50).read()[0]["image"].permute(1, 2, 0).numpy()
    Image.fromarray(scene[:30]).save(picture)
    run_predict(composed("predict", f"checkpoint={joint}", f"source={picture}", f"folder={tmp_path / 'p'}"))
    with (tmp_path / "p" / "predictions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert {"grade", "grade_probability", "count", "count_std", "mean_size", "mean_size_std"} <= set(row)
    assert -2 < float(row["count"]) < 9
    assert float(row["count_std"]) > 0
    assert row["grade"] in "0123"
    steps = np.asarray(Image.open(tmp_path / "p" / "depths" / "a.png"))
    assert (str(steps.dtype), steps.shape) == ("uint16", (30, 50))
    assert 1 < 0.002 * steps.mean() < 20
    found = Model(joint)(str(picture))
    assert found.value["count"].value == pytest.approx(float(row["count"]), rel=1e-4)
    assert found.ordinal.name == row["grade"]
    assert set(json.loads(json.dumps(found.to_dict()))["depth"]) == {"height", "width", "min", "mean", "max"}


@pytest.mark.parametrize("scale", ["prepared", "original"])
def test_a_checkpoint_is_measured_again(joint: Path, tmp_path: Path, scale: str) -> None:
    run_eval(composed("eval", f"checkpoint={joint}", f"folder={tmp_path / 'e'}", "trainer=cpu", f"scale={scale}"))
    before, after = read_results(joint), read_results(tmp_path / "e")
    assert after["test/value/count_mae"] == pytest.approx(before["test/value/count_mae"], abs=1e-5)
    assert after["test/ordinal/kappa"] == pytest.approx(before["test/ordinal/kappa"], abs=1e-5)
    same = before["test/depth/rmse"]
    assert after["test/depth/rmse"] == pytest.approx(same, abs=1e-5 if scale == "prepared" else 0.3 * same)


@pytest.mark.parametrize("to", ["table", "webdataset", "litdata"])
def test_what_is_converted_is_read_again(scenes: Path, tiny: Compose, tmp_path: Path, to: str) -> None:
    words = [word for word in table_words(scenes) if "size=" not in word and "augment" not in word]
    options = {"values": ["count", "mean_size"], "grade": "stage", "words": {"depth_scale": 0.002}}
    ours = Table(root=str(scenes), mask_classes=["wall", "shape"], **options).read()  # type: ignore[arg-type]
    check_conversion(words, to, ours, tiny, tmp_path, most=COUNT)


@pytest.mark.slow
def test_cached_features_give_the_same_heads(scenes: Path, tiny: Compose, tmp_path: Path) -> None:
    words = [*table_words(scenes), "finetune=frozen", "epochs=2", "task.heads.mask=null"]
    check_cached_features(words, tiny, tmp_path)


def test_a_set_with_numbers_is_joined_with_one_with_masks(scenes: Path, tiny: Compose, tmp_path: Path) -> None:
    sets = ["data=union", "+data@data.sets.numbers=table", "+data@data.sets.shapes=shapes", "data.sets.shapes.count=40"]
    words = [word.replace("data.", "data.sets.numbers.", 1) for word in table_words(scenes)[1:5]]
    words += ["data.sets.numbers.targets=[depth,value,ordinal,mask]"]
    results = run_train(
        tiny(*sets, *words, "data.size=32", "epochs=1", "data.sets.numbers.mask_classes=[background,shape]")
    )
    assert {"test/value/r2", "test/depth/delta1", "test/mask/iou", "test/box/iou"} <= set(results)
    assert results["test/mask/count"] > results["test/depth/count"]


@pytest.mark.slow
def test_an_exported_model_answers_without_torch(joint: Path, scenes: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    assert export_run_to(joint, tmp_path / "onnx") == 0  # the gate compared answers and metrics
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    scene = Image.open(scenes / "images" / "0.png")
    scene.save(pictures / "a.png")
    scene.resize((90, 130)).save(pictures / "b.png")
    expected = [each.to_dict() for each in Model(joint, "cpu", "32-true")(pictures)]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        WITHOUT_TORCH,
        str(tmp_path / "onnx" / "model.onnx"),
        str(pictures),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for ours, theirs in zip(json.loads(done.stdout), expected, strict=True):
        assert ours["ordinal"]["name"] == theirs["ordinal"]["name"]
        assert ours["ordinal"]["probabilities"] == pytest.approx(theirs["ordinal"]["probabilities"], abs=1e-4)
        assert ours["depth"] == pytest.approx(theirs["depth"], rel=1e-3)
        for name, number in theirs["value"].items():
            assert ours["value"][name] == pytest.approx(number, rel=1e-3, abs=1e-3)
    answer = ExportedModel(tmp_path / "onnx" / "model.onnx")(str(pictures / "b.png"))
    assert answer.depth.shape == (130, 90)
    assert answer.value["mean_size"].std > 0


@pytest.mark.slow
@pytest.mark.parametrize("task", ["depth", "regression", "ordinal"])
def test_a_killed_run_ends_as_if_it_had_not_been(scenes: Path, tmp_path: Path, task: str) -> None:
    words = [f"task={task}", *table_words(scenes), "backbone=test_resnet", "backbone.weights=none", "data.workers=0"]
    words += ["data.batch_size=8", "trainer=cpu", "epochs=3", "save.steps=1", "logger=csv", "finetune=scratch"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)
