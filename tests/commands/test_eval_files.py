"""What `candelabra eval` writes beside its numbers, and all splits together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from candelabra.commands.eval import run_eval
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from tests.commands.test_eval import make_data
from tests.conftest import Compose
from tests.small_runs import composed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on twelve labelled images."""
    folder = tmp_path_factory.mktemp("eval_files")
    words = [f"data.root={make_data(folder / 'data', 12)}", "data.size=32", "epochs=1", f"folder={folder / 'run'}"]
    run_train(composed("train", "data=table", *words))
    return folder / "run"


def test_the_worst_images_come_first_and_all_splits_are_measured_together(
    run: Path, tiny: Compose, tmp_path: Path
) -> None:
    judged = [f"checkpoint={run}", "trainer.enable_progress_bar=false"]
    seen: dict[str, list[dict[str, str]]] = {}
    for split, scale in (("test", "prepared"), ("all", "prepared"), ("all", "original")):
        run_eval(tiny(*judged, f"split={split}", f"scale={scale}", command="eval"))
        folder = tmp_path / "eval"
        results = json.loads((folder / "results.json").read_text())
        with (folder / "losses.csv").open(newline="") as file:
            rows = seen[split] = list(csv.DictReader(file))
        assert len(rows) == results[f"{split}/box/count"] == {"test": 8, "all": 12}[split]
        losses = [float(row["loss"]) for row in rows]
        assert losses == sorted(losses, reverse=True)
        for name in ("loss", "box/loss", "label/loss", "keypoints/loss", "mask/loss"):
            assert np.mean([float(row[name]) for row in rows]) == pytest.approx(results[f"{split}/{name}"], rel=1e-4)
        assert {path.name for path in (folder / "pictures").iterdir()} == {
            "label_confusion.png",
            "mask_confusion.png",
            "predictions.png",
            "worst.png",
        }
        assert (folder / "mask_classes.csv").is_file()
    assert {row["image"]: row["loss"] for row in seen["test"]}.items() <= {
        row["image"]: row["loss"] for row in seen["all"]
    }.items()
    assert sorted(row["split"] for row in seen["all"]) == ["test"] * 8 + ["train"] * 2 + ["val"] * 2


def test_other_data_are_measured_whole_with_all_splits(
    run: Path, tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_data(tmp_path / "other", 18)
    words = [f"checkpoint={run}", f"data.root={other}", "split=all"]
    (tmp_path / "eval" / "pictures").mkdir(parents=True)
    for name in ("worst", "face_confusion"):
        (tmp_path / "eval" / "pictures" / f"{name}.png").write_bytes(b"of an earlier run")
    run_eval(tiny(*words, "trainer.enable_progress_bar=false", command="eval"))
    assert json.loads((tmp_path / "eval" / "results.json").read_text())["all/box/count"] == 18
    assert "that this one has not written (1): pictures/face_confusion.png; delete" in caplog.text


def test_samples_without_labels_come_last_and_are_not_drawn(tiny: Compose, tmp_path: Path) -> None:
    root = make_data(tmp_path / "data", 12)
    lines = (root / "table.csv").read_text().splitlines()
    bare = [line if place != 1 else ",".join([*line.split(",")[:2], *[""] * 10]) for place, line in enumerate(lines)]
    (root / "table.csv").write_text("\n".join(bare) + "\n")
    run_train(tiny("data=table", f"data.root={root}", "data.workers=0", "epochs=1"))
    run_eval(tiny(f"checkpoint={tmp_path / 'train'}", "trainer.enable_progress_bar=false", command="eval"))
    with (tmp_path / "eval" / "losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert (rows[-1]["image"], rows[-1]["loss"], rows[-1]["box/loss"]) == ("0.png", "", "")
    assert all(row["loss"] for row in rows[:-1])


def test_an_unknown_split_is_refused(tiny: Compose, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="allowed are train, val, test and all"):
        run_eval(tiny(f"checkpoint={tmp_path}", "split=whole", command="eval"))
