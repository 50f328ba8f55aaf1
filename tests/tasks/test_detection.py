"""Detectors from the command line on, alone and beside other heads."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.data import Coco
from candelabra.data.targets import BoxesTarget
from candelabra.errors import CandelabraError
from candelabra.prediction.decoding_options import set_decoding
from candelabra.prediction.model import Model
from tests.conftest import Compose
from tests.data.readers.test_voc import xml
from tests.small_runs import composed
from tests.training.test_interruption import assert_equal, in_a_process

COLOURS = {"red": (230, 30, 30), "blue": (30, 60, 230)}


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Pictures of up to two rectangles, red or blue, on grey, as Pascal VOC has them."""
    rng, root = np.random.default_rng(0), tmp_path / "photos"
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
    for number in range(40):
        picture, objects = np.full((64, 64, 3), 120, np.uint8), []
        for place in range(1 + number % 2):
            name = ("red", "blue")[rng.integers(2)]
            left, top = int(rng.integers(2, 8)) + 30 * place, int(rng.integers(2, 30))
            right, bottom = left + int(rng.integers(16, 24)), top + int(rng.integers(20, 32))
            picture[top:bottom, left:right] = COLOURS[name]
            objects.append((name, left + 1, top + 1, right, bottom))
        Image.fromarray(picture).save(root / "JPEGImages" / f"{number}.jpg", quality=95)
        (root / "Annotations" / f"{number}.xml").write_text(xml(*objects))
    return str(root)


@pytest.mark.figures
def test_a_detector_learns_and_its_run_has_all_numbers(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "data=voc", f"data.root={photos}", "epochs=8", "lr=0.01", "data.batch_size=4"]
    words += ["task.boxes.width=32", "task.boxes.layers=1", "data.val=0.2", "data.test=0.2", "data.augment=none"]
    words += ["trainer.check_val_every_n_epoch=8"]
    results = run_train(tiny(*words))
    assert results["val/boxes/map50"] == results["val/score"]
    assert results["test/boxes/map50"] > 0.5
    assert results["test/boxes/map"] <= results["test/boxes/map50"]
    assert results["test/boxes/mar"] <= 1
    assert results["test/boxes/count"] == 8
    with (tmp_path / "train" / "boxes_classes.csv").open() as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["blue", "red", "background"]
    assert float(rows["red"]["ap50"]) > 0.3
    assert rows["background"]["ap50"] == ""
    assert sum(int(rows[name]["support"]) for name in COLOURS) == count_objects(tmp_path / "train", "test")
    for name in ("confusion", "precision_recall"):
        assert (tmp_path / "train" / "pictures" / f"boxes_{name}.png").is_file()
    model = Model(tmp_path / "train")
    thresholds = model.task.heads["boxes"].thresholds.tolist()
    assert [float(rows[name]["score"]) for name in ("blue", "red")] == pytest.approx(thresholds, abs=1e-4)
    shown = {score: count_shown(tmp_path / "train", photos, score) for score in (None, 0.0, 0.999)}
    assert shown[None] == count_shown(tmp_path / "train", photos, None, {"blue": thresholds[0], "red": thresholds[1]})
    assert shown[0.999] < shown[None] < shown[0.0]
    run_eval(composed("eval", f"checkpoint={tmp_path / 'train'}", f"folder={tmp_path / 'eval'}", "score_threshold=1"))
    measured = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert measured["test/boxes/map50"] == pytest.approx(results["test/boxes/map50"], abs=1e-6)
    with (tmp_path / "eval" / "boxes_classes.csv").open() as file:
        assert [float(row["recall"]) for row in csv.DictReader(file)] == [0, 0, 0]


def count_shown(run: Path, photos: str, score: float | None, least: dict[str, float] | None = None) -> int:
    """How many objects the model finds; with `least`, of those of any score those that have that of their class."""
    model = Model(run, decoding={"score_threshold": 0.0 if least else score})
    found = [each for photo in model(photos) for each in photo.boxes]
    return sum(each.score >= (least or {}).get(each.name, 0) for each in found)


def count_objects(run: Path, split: str) -> int:
    with (run / "splits.csv").open() as file:
        return sum(1 + int(Path(row["name"]).stem) % 2 for row in csv.DictReader(file) if row["split"] == split)


def test_boxes_join_other_heads_where_they_are_asked_for(photos: str, tiny: Compose) -> None:
    words = ["data=voc", f"data.root={photos}", "epochs=1", "data.batch_size=8"]
    plain = run_train(tiny(*words))
    assert not [key for key in plain if "/boxes/" in key]
    joint = run_train(
        tiny(
            *words,
            "+head@task.heads.boxes=fcos",
            "task.heads.boxes.width=32",
            "overwrite=true",
            "monitor=val/boxes/map50",
        )
    )
    assert {"test/boxes/map50", "test/label/accuracy", "test/box/iou"} <= set(joint)


def test_a_detector_without_boxes_is_refused(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"data\.targets names boxes; these data label .*choose another task"):
        run_train(tiny("task=detection", "data.count=20"))
    with pytest.raises(CandelabraError, match=r"task\.boxes\.nms_threshold=2 is out of range"):
        run_train(tiny("task=detection", "task.boxes.nms_threshold=2", "data.count=20"))


def test_validation_without_an_object_is_refused_in_words_and_a_test_without_one_has_a_loss(
    photos: str, tiny: Compose, tmp_path: Path
) -> None:
    for number in range(30, 40):
        (Path(photos) / "Annotations" / f"{number}.xml").write_text(xml())
    words = ["task=detection", "data=voc", f"data.root={photos}", "epochs=1", "task.boxes.width=16"]
    table = tmp_path / "splits.csv"
    for empty, other in (("val", "test"), ("test", "val")):
        rows = [f"JPEGImages/{n}.jpg,{empty if n > 29 else other if n > 24 else 'train'}" for n in range(40)]
        table.write_text("\n".join(["image,split", *rows]))
        if empty == "val":
            with pytest.raises(CandelabraError, match="No validation image holds an object"):
                run_train(tiny(*words, f"data.split={table}"))
    results = run_train(tiny(*words, f"data.split={table}", "overwrite=true"))
    assert results["test/boxes/count"] == 10
    assert 0 <= results["test/boxes/loss"] < 1
    assert "test/boxes/map50" not in results


SMALL = (
    "task=detection",
    "backbone=test_resnet",
    "backbone.weights=none",
    "data=voc",
    "data.size=64",
    "data.workers=0",
)
NARROW = ("task.boxes.width=16", "task.boxes.layers=1", "trainer=cpu")


@pytest.mark.slow
def test_a_killed_detector_ends_as_if_it_had_not_been(photos: str, tmp_path: Path) -> None:
    words = [*SMALL, *NARROW, f"data.root={photos}", "epochs=3", "save.steps=1", "ema=0.9", "lr=0.005"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


RANKS = """
import lightning as L, torch
from candelabra.backbones import Timm
from candelabra.data import DataModule, Voc
from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.heads import FCOS, Label
from candelabra.tasks import MultiTask

def unlabel_on_rank_one(sample):
    if torch.distributed.get_rank() == 1:
        sample["boxes"] = data.labels["boxes"].blank_like(sample["boxes"])
    return sample

L.seed_everything(0, verbose=False)
data = DataModule(Voc(root=ROOT), size=64, batch_size=4, workers=0, val=0.2, test=0.2)
steps = data.plan.transforms["train"].steps
data.replace_train_transforms(TransformPipeline([*steps, unlabel_on_rank_one], data.labels))
heads = {"label": Label, "boxes": lambda backbone, labels: FCOS(backbone, labels, width=16, layers=1)}
task = MultiTask(Timm("test_resnet", weights="none"), data.labels, heads)
L.Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true", logger=False,
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    use_distributed_sampler=False, num_sanity_val_steps=0).fit(task, data)
flat = torch.cat([v.flatten().double() for v in task.state_dict().values()])
both = [torch.zeros_like(flat) for _ in range(2)]
torch.distributed.all_gather(both, flat)
if torch.distributed.get_rank() == 0:
    print("APART", float((both[0] - both[1]).abs().max()), flush=True)
"""


def measure_difference_of_ranks(script: str, folder: Path) -> float:
    """Runs a script that trains on two ranks and prints how far their weights are apart."""
    file = folder / "two.py"
    file.write_text(script)
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-W", "ignore", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert run.returncode == 0, run.stderr
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("APART")]
    return float(line.split()[1])


@pytest.mark.slow
def test_a_rank_whose_images_nobody_labelled_does_not_hang_and_ranks_stay_equal(photos: str, tmp_path: Path) -> None:
    assert measure_difference_of_ranks(RANKS.replace("ROOT", repr(photos)), tmp_path) == 0


def test_predict_writes_objects_that_are_read_again_as_labels(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "data=voc", f"data.root={photos}", "epochs=1", "data.batch_size=8", "data.val=0.2"]
    run = tmp_path / "run"
    run_train(tiny(*words, "data.test=0.2", f"folder={run}", "task.boxes.width=16", "task.boxes.layers=1"))
    source, found = str(Path(photos) / "JPEGImages"), tmp_path / "found"
    options = [f"checkpoint={run}", f"source={source}", f"folder={found}", "score_threshold=0", "max_detections=3"]
    run_predict(composed("predict", *options))
    document = json.loads((found / "boxes.json").read_text())
    assert len(document["images"]) == 40
    assert len(document["annotations"]) == 120
    again = Coco(root=photos, file=str(found / "boxes.json")).read()
    assert again.labels[BoxesTarget].classes == ("blue", "red")
    model = Model(run, decoding={"score_threshold": 0.0, "max_detections": 3})
    name = document["images"][0]["file_name"]
    ours = model(name).boxes
    assert [each.name for each in ours] == [
        ("blue", "red")[each["category_id"] - 1] for each in document["annotations"] if each["image_id"] == 1
    ]
    theirs = next(index for index, each in enumerate(again.names) if each.endswith(Path(name).name))
    assert len(again[theirs]["boxes"]) == len(ours)
    with pytest.raises(CandelabraError, match="no head of this model \\(boxes\\) finds objects"):
        set_decoding(model.task, {"no_such_option": 1.0})
    with pytest.raises(CandelabraError, match="score_threshold=high is no number"):
        run_predict(composed("predict", *options[:3], "score_threshold=high"))
    with pytest.raises(CandelabraError, match="nms_threshold=2 is out of range"):
        Model(run, decoding={"nms_threshold": 2})


def test_a_detector_of_two_stages_trains_the_same_each_time(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "head@task.boxes=faster_rcnn", "data=voc", f"data.root={photos}", "epochs=1"]
    words += ["task.boxes.width=16", "task.boxes.hidden=32", "task.boxes.proposals=50", "logger=none"]
    results = [run_train(tiny(*words, f"folder={tmp_path / name}")) for name in ("one", "two")]
    numbers = [{key: value for key, value in each.items() if "/" in key} for each in results]
    assert numbers[0] == numbers[1]
    assert 0 <= results[0]["test/boxes/map50"] <= 1
    one, two = (
        torch.load(tmp_path / name / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    )
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    with pytest.raises(CandelabraError, match=r"task\.boxes\.proposals=0 is out of range"):
        run_train(tiny(*words, "task.boxes.proposals=0"))
