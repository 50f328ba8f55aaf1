"""The whole way: a config is trained, evaluated, resumed and used, and its run folder holds what it should."""

import csv
import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.data.decoding.images import read_image_size
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import load_task
from tests.conftest import Compose

SMALL = ("epochs=1", "data.count=60")


@pytest.mark.figures
def test_a_run_leaves_everything_behind_and_can_be_used_from_its_checkpoint_alone(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_train(tiny(*SMALL))
    run = tmp_path / "train"
    written = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert written >= {
        "config.yaml",
        "splits.csv",
        "metrics.csv",
        "results.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "pictures/predictions.png",
        "pictures/curves.png",
        "pictures/plan.png",
        "pictures/label_confusion.png",
        "label_classes.csv",
    }
    results = json.loads((run / "results.json").read_text())
    heads = results.pop("heads")
    assert list(heads) == ["label", "box", "keypoints", "mask"]
    assert heads["keypoints"] == {
        "target": "keypoints",
        "main_metric": "nme",
        "lower_is_better": ["loss", "nme"],
        "counts": ["count", "points"],
        "notes": {"nme": "mean error divided by the diagonal of the image"},
    }
    assert heads == json.loads((run / "heads.json").read_text())
    assert all(isinstance(value, int | float) for value in results.values())
    assert {"test/label/accuracy", "test/box/iou", "test/keypoints/nme", "val/mask/iou"} <= set(results)
    assert results["seconds"] > 0
    assert results["images_per_second"] > 0
    assert results["milliseconds_per_image"] > 0
    assert 0 <= results["data_wait"] <= 1
    assert OmegaConf.load(run / "config.yaml").data.count == 60
    with (run / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert {row["split"] for row in rows} == {"train", "val", "test"}

    torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    run.rename(tmp_path / "moved")
    run_eval(tiny("checkpoint=" + str(tmp_path / "moved"), "trainer.enable_progress_bar=false", command="eval"))
    again = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert again == {key: value for key, value in results.items() if key.startswith("test/")}

    images = tmp_path / "photos"
    images.mkdir()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(images / "wide.jpg")
    Image.new("L", (40, 70)).save(images / "grey.png")
    (images / "torn.jpg").write_bytes(b"not an image")
    out = tmp_path / "predict"
    for name in ("masks/wide.png", "masks/earlier.png", "boxes.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"")
    run_predict(
        tiny(
            f"checkpoint={tmp_path / 'moved'}",
            f"source={images}",
            "trainer.enable_progress_bar=false",
            command="predict",
        )
    )
    assert "that this one has not written (2): boxes.json, masks/earlier.png; delete" in caplog.text
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["image"]).name for row in rows] == ["grey.png", "wide.jpg"]
    assert {"label", "probability", "xmin", "left_eye_x", "mouth_y"} <= set(rows[0])
    assert read_image_size(out / "masks" / "wide.png") == (90, 60)
    assert read_image_size(out / "pictures" / "grey.jpg") == (160, 280)  # small ones are enlarged
    assert "torn.jpg" in (out / "unreadable.csv").read_text()


def test_plateau_lowers_the_rate_when_nothing_gets_better(tiny: Compose, tmp_path: Path) -> None:
    words = ["scheduler=plateau", "scheduler.patience=0", "scheduler.warmup=0", "lr=1e-9", "epochs=3"]
    run_train(tiny("data.count=60", "data.size=32", "task=classification", "finetune=frozen", *words))
    saved = torch.load(tmp_path / "train" / "checkpoints" / "last.ckpt", weights_only=True)
    scale = 0.09  # two epochs without a better score
    rates = [group["lr"] for group in saved["optimizer_states"][0]["param_groups"]]
    assert rates == pytest.approx([1e-9 * scale] * len(rates))


def test_early_stopping_and_accumulation(tiny: Compose, tmp_path: Path) -> None:
    run_train(
        tiny(
            "data.count=60",
            "data.size=32",
            "epochs=9",
            "patience=1",
            "lr=1e-12",
            "trainer.accumulate_grad_batches=2",
            "monitor=val/label/accuracy",
            "trainer.gradient_clip_val=1",
            "task=localization",
            "optimizer=sgd",
            "scheduler=plateau",
        )
    )
    assert json.loads((tmp_path / "train" / "results.json").read_text())["epochs"] < 9


@pytest.mark.parametrize("task", ["classification", "localization", "keypoints", "segmentation"])
def test_every_task_by_name(task: str, tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, f"task={task}", "trainer=smoke", "trainer.accelerator=cpu", "logger=none"))
    assert load_task(tmp_path / "train").heads.keys()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["lr=fast"], "^lr=fast has the wrong type"),
        (["data.size=big"], "data.size=big has the wrong type"),
        (["+data.sice=3"], "data.sice is not known; .* takes size"),
        (["trainer.precision=bf16-true"], "trainer.precision=bf16-true would hold for labels .* allowed are auto"),
        (["data.augment=heavy"], "data.augment=heavy"),
        (["monitor=val/label/accuarcy"], "allowed are val/label/accuracy"),
        (["finetune=full", "finetune.scale=-1"], "finetune.scale=-1"),
        (["scheduler.warmup=2"], "scheduler.warmup=2"),
        (["task=keypoints", "data=digits"], "needs data that label 'keypoints'"),
        (["resume=nowhere"], "not the folder of a run"),
        (["save.keep=0"], "save.keep=0"),
        (["ema=2.0"], "ema=2.0 must be above 0"),
        (["lr=auto", "range.steps=3"], "range.steps=3"),
        (["data=folder", "data.root=nowhere"], "is not a folder"),
        (["task.heads.label.pooling=sum"], "task.heads.label.pooling=sum"),
        (["decoder@task.heads.mask.decoder=pan"], "do not work on images of 64 x 64"),
        (["backbone.in_channels=5"], "but these images have 3 channels"),
        (["finetune=gradual", "finetune.every=9"], "finetune.every thaws no stage within epochs=1"),
        (["finetune=discriminative", "finetune.shares=[0.1]"], "has 1 numbers and this backbone 5 stages"),
        (["finetune=layerwise", "backbone=alexnet", "backbone.weights=none"], "the layers of alexnet"),
        (["finetune=norm_only", "backbone=alexnet", "backbone.weights=none"], "none of them"),
        (["lr=0"], "lr=0: nothing would learn"),
        (["lr=-1"], "lr=-1 is out of range: it must be at least 0"),
        (["trainer.accelerator=abacus"], "lightning.Trainer refuses its arguments"),
    ],
)
def test_bad_input_is_one_sentence_before_training(
    overrides: list[str], words: str, tiny: Compose, tmp_path: Path
) -> None:
    with pytest.raises(CandelabraError, match=words) as caught:
        run_train(
            tiny("epochs=1", *([] if "data=" in overrides[-1] or "data=folder" in overrides else SMALL[1:]), *overrides)
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "train" / "checkpoints").exists()


def test_data_with_other_labels_are_not_evaluated(tiny: Compose, tmp_path: Path) -> None:
    for folder, classes in (("one", "ab"), ("other", "ac")):
        for name in classes:
            for number in range(8):
                path = tmp_path / folder / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 40), (number * 30, ord(name), 0)).save(path)
    run_train(
        tiny(
            "data=folder",
            f"data.root={tmp_path / 'one'}",
            "task=classification",
            "trainer=smoke",
            "trainer.accelerator=cpu",
        )
    )
    found = ["checkpoint=" + str(tmp_path / "train"), "trainer.enable_progress_bar=false"]
    run_eval(tiny(*found, command="eval"))
    with pytest.raises(CandelabraError, match="classes that the checkpoint does not know: c; it was trained on a, b"):
        run_eval(tiny(*found, f"data.root={tmp_path / 'other'}", command="eval"))


def test_checkpoints_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    (tmp_path / "torn.ckpt").write_bytes(b"PK torn")
    with pytest.raises(CandelabraError, match="has no recipe to rebuild its task from"):
        load_task(tmp_path / "other.ckpt")
    with pytest.raises(CandelabraError, match="cannot be read"):
        load_task(tmp_path / "torn.ckpt")


def test_a_checkpoint_of_another_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    torch.save({"candelabra": {"format": 1, "version": "0.0.9"}}, tmp_path / "old.ckpt")
    with pytest.raises(CandelabraError, match=r"has format 1, this version reads 2; use the candelabra .*0\.0\.9"):
        load_task(tmp_path / "old.ckpt")
