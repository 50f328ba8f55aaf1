"""Joint runs as a whole: what is counted, refused and kept, and that joint training on partial labels learns."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from candelabra.balancing import CAGrad, Fixed
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import load_task
from tests.conftest import Compose

SMALL = ("data.count=60", "data.size=32", "epochs=1", "task.heads.mask=null")


def results(folder: Path) -> dict[str, float]:
    read: dict[str, float] = json.loads((folder / "train" / "results.json").read_text())
    return read


@pytest.mark.parametrize("balance", ["pcgrad", pytest.param("famo", marks=pytest.mark.slow)])
def test_partly_labelled_heads_learn_together(balance: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["data.count=240", "data.labelled={label:0.2,box:0.5,mask:0.5}", "task.heads.keypoints=null", "lr=0.02"]
    run_train(tiny(*words, "epochs=4", "data.size=32", "scheduler=one_cycle", f"balance={balance}"))
    found = results(tmp_path)
    assert found["test/mask/iou"] > 0.6  # 0.47 where all is background
    assert found["test/box/iou"] > 0.3
    assert found["test/mask/count"] == found["test/label/count"] == 36
    with (tmp_path / "train" / "metrics.csv").open() as file:
        logged = file.readline().strip().split(",")
    assert {"balance/label", "balance/box", "balance/mask"} <= set(logged)
    assert ("balance/box-mask/cosine" in logged) == (balance == "pcgrad")


def test_points_are_counted(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "task.heads.box=null"))
    assert results(tmp_path)["test/keypoints/points"] == 27
    assert results(tmp_path)["test/keypoints/count"] == 9


@pytest.mark.parametrize("words", [["balance=pcgrad", "finetune=frozen"], ["balance=famo", "finetune=probe"]])
def test_a_balance_without_a_backbone_that_learns_is_refused(words: list[str], tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match="balance=fixed"):
        run_train(tiny(*SMALL, *words, "data.augment=none"))


def test_a_checkpoint_does_not_need_the_solver_of_its_balance(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_train(tiny(*SMALL, "balance=cagrad"))

    def missing(self: CAGrad, *given: object) -> None:
        raise ImportError

    monkeypatch.setattr(CAGrad, "__init__", missing)
    assert isinstance(load_task(tmp_path / "train").balance, Fixed)


def test_a_solver_that_is_missing_is_named(tiny: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(CandelabraError, match=r"candelabra\[cagrad\]"):
        run_train(tiny(*SMALL, "balance=cagrad"))


def test_a_metric_that_no_validation_image_has_is_refused_before_training(tiny: Compose, tmp_path: Path) -> None:
    from tests.data.files import make_folder

    make_folder(tmp_path / "images")
    rows = ["image,split,label,xmin,ymin,xmax,ymax"]
    for index, path in enumerate(sorted((tmp_path / "images").rglob("*.JPG"))):
        split = ("train", "val", "test")[index % 3]
        box = "1,1,9,9" if split == "train" else ",,,"
        rows.append(f"{path.relative_to(tmp_path / 'images')},{split},{path.parent.name},{box}")
    (tmp_path / "images" / "table.csv").write_text("\n".join(rows))
    words = ["data=table", f"data.root={tmp_path / 'images'}", "epochs=1", "data.batch_size=2", "data.size=32"]
    with pytest.raises(CandelabraError, match="val/box/iou is not measured here"):
        run_train(tiny(*words, "monitor=val/box/iou"))
    assert not (tmp_path / "train" / "checkpoints").exists()


def table(folder: Path, cells: Callable[[str], str]) -> list[str]:
    """Words for a table of images whose further columns depend on the split."""
    from tests.data.files import make_folder

    make_folder(folder)
    rows = ["image,split,label,left_x,left_y,right_x,right_y"]
    for index, path in enumerate(sorted(folder.rglob("*.JPG"))):
        split = ("train", "val", "test")[index % 3]
        rows.append(f"{path.relative_to(folder)},{split},{cells(split) or f'{path.parent.name},1,1,9,9'}")
    (folder / "table.csv").write_text("\n".join(rows))
    return ["data=table", f"data.root={folder}", "epochs=2", "data.batch_size=2", "data.size=32"]


def test_validation_without_a_label_is_refused_before_training(tiny: Compose, tmp_path: Path) -> None:
    words = table(tmp_path / "images", lambda split: ",,,," if split == "val" else "")
    with pytest.raises(CandelabraError, match="No validation image has a label of any head"):
        run_train(tiny(*words))
    assert not (tmp_path / "train" / "checkpoints").exists()


def test_points_that_cannot_be_measured_leave_the_score_to_the_other_heads(tiny: Compose, tmp_path: Path) -> None:
    words = table(tmp_path / "images", lambda split: "" if split == "train" else "cat,1,1,,")
    run_train(tiny(*words, "data.normalizer=[left,right]"))
    found = results(tmp_path)
    assert found["val/score"] == found["val/label/accuracy"]
    assert found["val/keypoints/count"] > 0
    assert "val/keypoints/nme" not in found
    with pytest.raises(CandelabraError, match="normalizer=image"):
        run_train(tiny(*words, "data.normalizer=[left,right]", "task.heads.label=null", "overwrite=true"))


def test_a_batch_without_a_label_does_not_log_that_head_as_solved(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "data.labelled={box:0.1}", "data.batch_size=4", "trainer.log_every_n_steps=1"))
    with (tmp_path / "train" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    logged = [float(row["train/box/loss"]) for row in rows if row["train/box/loss"]]
    assert min(logged) > 0  # 0 is what such a batch adds to the joint loss
    assert len(set(logged)) < len(rows)


@pytest.mark.slow
def test_a_compiled_backbone_goes_with_a_balance_of_gradients(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "balance=pcgrad", "compile=true"))
    assert "test/label/accuracy" in results(tmp_path)
