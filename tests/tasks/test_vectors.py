"""Normals and flow from a table to an exported model: learned, measured, predicted, converted, cached, resumed."""

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
from tests.tasks.test_regression import read_results
from tests.training.test_interruption import assert_equal, in_a_process

COUNT = 100
SCENES = {"canvas": 32, "objects": 20, "normals": True, "flow": True}


@pytest.fixture(scope="module")
def domes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """table.csv with normals (PNG and NPY), flow (NPY and .flo) and mask; every fifth cell is empty."""
    folder = tmp_path_factory.mktemp("domes")
    samples = RenderedShapes(count=COUNT, **SCENES).read()  # type: ignore[arg-type]
    for part in ("images", "normals", "flow", "masks"):
        (folder / part).mkdir()
    rows = []
    for index in range(COUNT):
        sample = samples[index]
        normals, flow = (sample[key].permute(1, 2, 0).numpy() for key in ("normals", "flow"))  # type: ignore[literal-required]
        Image.fromarray(sample["image"].permute(1, 2, 0).numpy()).save(folder / "images" / f"{index}.png")
        Image.fromarray(sample["mask"].numpy()).save(folder / "masks" / f"{index}.png")
        cells = [f"normals/{index}.png", f"flow/{index}.npy", f"masks/{index}.png"]
        Image.fromarray(((normals + 1) * 127.5).round().astype(np.uint8)).save(folder / cells[0])
        np.save(folder / cells[1], flow)
        if index % 2:
            cells = [f"normals/{index}.npy", f"flow/{index}.flo", cells[2]]
            np.save(folder / cells[0], normals)
            head = np.float32(202021.25).tobytes() + np.array(flow.shape[1::-1], "<i4").tobytes()
            (folder / cells[1]).write_bytes(head + np.nan_to_num(flow, nan=1e10).astype("<f4").tobytes())
        rows.append([f"images/{index}.png", *("" if (index + place) % 5 == 0 else c for place, c in enumerate(cells))])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "normals", "flow", "mask"], *rows])
    return folder


def table_words(domes: Path) -> list[str]:
    return ["data=table", f"data.root={domes}", "data.mask_classes=[wall,shape]", "data.size=32"]


@pytest.fixture(scope="module")
def joint(domes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all heads on partly labelled images, mirrored ones among them."""
    folder = tmp_path_factory.mktemp("vectors") / "run"
    words = ["epochs=8", "lr=0.01", "finetune=scratch", "data.batch_size=8", "data.resize=letterbox"]
    words += ["task.heads.mask=null", "trainer.check_val_every_n_epoch=8"]
    run_train(composed("train", f"folder={folder}", *table_words(domes), *words))
    return folder


def measure_shapes(run: Path, canvas: int) -> tuple[float, float]:
    """On the shapes of scenes that were not seen: the angle and the way that are wrong, as shares of knowing nothing.

    Who knows nothing says that all pixels face the viewer, and that none moves.
    """
    model, errors = Model(run, "cpu"), []
    samples = RenderedShapes(count=20, drawing_seed=7, **{**SCENES, "canvas": canvas}).read()  # type: ignore[arg-type]
    for index in range(20):
        sample, found = samples[index], model(samples[index]["image"])
        inside = sample["mask"].numpy() == 1
        normals, flow = (sample[key].permute(1, 2, 0).numpy() for key in ("normals", "flow"))  # type: ignore[literal-required]
        cosines = [(normals * found.normals).sum(2), normals[..., 2]]
        angles = [np.degrees(np.arccos(each.clip(-1, 1)))[inside].mean() for each in cosines]
        ways = [np.linalg.norm(each, axis=2)[inside].mean() for each in (flow - found.flow, flow)]
        errors.append([*angles, *ways])
    angle, flat, way, still = np.mean(errors, axis=0)
    return angle / flat, way / still


def test_both_learn_from_one_table_any_cell_of_which_is_empty(joint: Path) -> None:
    results = read_results(joint)
    assert {"test/normals/angle", "test/normals/within_22", "test/flow/epe", "test/flow/r2"} <= set(results)
    assert results["test/normals/count"] < 15  # a fifth is not labelled
    angle, way = measure_shapes(joint, 32)
    assert angle < 1
    assert way < 0.6


@pytest.mark.slow
def test_normals_and_flow_of_drawn_scenes_are_learned(tmp_path: Path) -> None:
    words = ["data=rendered_shapes", "data.normals=true", "data.flow=true", "data.targets=[normals,flow,mask]"]
    words += ["data.count=300", "data.canvas=48", "data.size=48", "data.objects=20", "data.augment=light", "lr=0.01"]
    run_train(composed("train", f"folder={tmp_path}/r", *words, "data.batch_size=16", "finetune=scratch", "epochs=8"))
    angle, way = measure_shapes(tmp_path / "r", 48)
    assert angle < 0.7
    assert way < 0.4


def test_a_picture_is_answered_with_arrays_of_its_own_size(joint: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    scene = RenderedShapes(count=1, **{**SCENES, "canvas": 80}).read()[0]["image"].permute(1, 2, 0).numpy()  # type: ignore[arg-type]
    Image.fromarray(scene[:48]).save(picture)
    run_predict(composed("predict", f"checkpoint={joint}", f"source={picture}", f"folder={tmp_path / 'p'}"))
    normals, flow = (np.load(tmp_path / "p" / name / "a.npy") for name in ("normals", "flow"))
    assert (normals.shape, flow.shape, normals.dtype) == ((48, 80, 3), (48, 80, 2), np.float32)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-4)
    with Image.open(tmp_path / "p" / "normals" / "a.png") as drawn:
        assert drawn.size == (80, 48)
    found = Model(joint)(str(picture))
    np.testing.assert_allclose(found.flow, flow, rtol=1e-3, atol=1e-3)
    plain = json.loads(json.dumps(found.to_dict()))
    assert (set(plain["flow"]), plain["flow"]["width"]) == ({"height", "width", "mean", "longest"}, 80)


@pytest.mark.parametrize("scale", ["prepared", "original"])
def test_a_checkpoint_is_measured_again(joint: Path, tmp_path: Path, scale: str) -> None:
    run_eval(composed("eval", f"checkpoint={joint}", f"folder={tmp_path / 'e'}", "trainer=cpu", f"scale={scale}"))
    before, after = read_results(joint), read_results(tmp_path / "e")
    for name in ("normals/angle", "flow/epe"):
        assert after[f"test/{name}"] == pytest.approx(before[f"test/{name}"], rel=1e-4)  # files are as large


@pytest.mark.parametrize("to", ["table", "webdataset", "litdata"])
def test_what_is_converted_is_read_again(domes: Path, tiny: Compose, tmp_path: Path, to: str) -> None:
    words = [word for word in table_words(domes) if "size=" not in word]
    ours = Table(root=str(domes), mask_classes=["wall", "shape"]).read()
    check_conversion(words, to, ours, tiny, tmp_path, most=20)


@pytest.mark.slow
def test_cached_features_give_the_same_heads(domes: Path, tiny: Compose, tmp_path: Path) -> None:
    words = [*table_words(domes), "task=flow", "finetune=frozen", "epochs=1", "data.augment=none"]
    check_cached_features(words, tiny, tmp_path)


@pytest.mark.slow
def test_an_exported_model_answers_without_torch(joint: Path, domes: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    assert export_run_to(joint, tmp_path / "onnx") == 0  # the gate compared answers and metrics
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with Image.open(domes / "images" / "0.png") as scene:
        scene.resize((90, 130)).save(pictures / "a.png")
    expected = Model(joint, "cpu", "32-true")(str(pictures / "a.png"))
    model = str(tmp_path / "onnx" / "model.onnx")
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_TORCH, model, str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["flow"]["longest"] == pytest.approx(
        expected.to_dict()["flow"]["longest"], rel=1e-3
    )
    answer = ExportedModel(model)(str(pictures / "a.png"))
    np.testing.assert_allclose(answer.normals, expected.normals, atol=1e-3)
    np.testing.assert_allclose(answer.flow, expected.flow, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["normals", "flow"])
def test_a_killed_run_ends_as_if_it_had_not_been(domes: Path, tmp_path: Path, task: str) -> None:
    words = [f"task={task}", *table_words(domes), "backbone=test_resnet", "backbone.weights=none", "data.workers=0"]
    words += ["data.batch_size=16", "trainer=cpu", "epochs=2", "save.steps=1", "logger=csv", "finetune=scratch"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)
