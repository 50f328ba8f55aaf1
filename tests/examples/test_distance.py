"""The example of a target from outside, examples/distance: learned beside others, and carried through commands."""

import csv
import json
import shlex
import sys
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.cli.main import main
from tests.examples.scenes import write_distance_scenes

EXAMPLE = Path(__file__).parents[2] / "examples" / "distance"
TRAIN = (
    f"candelabra train plugins=[{EXAMPLE}] data=table data.root=scenes data.mask_classes=[wall,thing] "
    "+head@task.heads.distance=distance task.heads.box=null task.heads.keypoints=null backbone=test_resnet "
    "backbone.weights=none finetune=scratch data.size=32 data.batch_size=8 data.workers=0 data.augment=none "
    "data.cache=ram trainer=cpu trainer.precision=32-true trainer.enable_progress_bar=false logger=csv lr=0.01 "
    "task.heads.distance.variance_weight=0.1 task.heads.mask.decoder.widths=[32,16,16,8]"
)


def run_here(command: str, folder: Path) -> str:
    """Runs a command in this process, which has imported torch already, and returns what it printed."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(folder)
        patch.setenv("CANDELABRA_ACTIVE_PLUGINS", "")  # changed by the command, and restored
        patch.setenv("HYDRA_FULL_ERROR", "1")  # likewise: other programs of Hydra would print tracebacks
        patch.setattr(sys, "argv", shlex.split(command))
        main()
    return printed.getvalue()


def read_results(path: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((path / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scenes and a run of 14 epochs."""
    folder = tmp_path_factory.mktemp("distance")
    write_distance_scenes(folder / "scenes", 80, side=32)
    run_here(f"{TRAIN} epochs=14 trainer.check_val_every_n_epoch=14 hydra.run.dir=run", folder)
    return folder


def constant_delta1(folder: Path) -> float:
    """The share of pixels within 25 % of the best constant distance."""
    maps = [np.array(Image.open(path), np.float32) / 1000 for path in (folder / "scenes" / "distances").iterdir()]
    distance = np.concatenate([each.ravel() for each in maps])
    return max(float((np.maximum(distance / c, c / distance) < 1.25).mean()) for c in np.linspace(1, 9, 33))


def test_distance_is_learned_beside_label_and_mask(folder: Path) -> None:
    results = read_results(folder / "run")
    assert results["test/distance/delta1"] > constant_delta1(folder) + 0.3
    assert results["test/mask/iou"] > 0.8
    assert results["test/label/accuracy"] > 0.6
    assert 0 < results["test/distance/count"] < results["test/mask/count"]  # a fifth has no distance
    config = (folder / "run" / "config.yaml").read_text()
    assert "name: distance" in config
    assert (folder / "run" / "pictures" / "predictions.png").is_file()


def test_a_run_is_evaluated_where_its_plug_in_outside_the_working_folder_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(f"{TRAIN} epochs=1 hydra.run.dir=short", folder)
    before = read_results(folder / "short")
    with pytest.raises(SystemExit, match="2"):
        run_here("candelabra eval checkpoint=short trainer=cpu hydra.run.dir=judged", folder)
    assert "plugins=[" in capsys.readouterr().err
    run_here(f"candelabra eval plugins=[{EXAMPLE}] checkpoint=short trainer=cpu hydra.run.dir=judged", folder)
    after = read_results(folder / "judged")
    assert after["test/distance/delta1"] == pytest.approx(before["test/distance/delta1"], abs=1e-6)


def test_predictions_are_pictures_and_files_in_the_size_of_the_image(folder: Path) -> None:
    source = folder / "scenes" / "images" / "0.png"
    words = f"plugins=[{EXAMPLE}] checkpoint=run"
    run_here(f"candelabra predict {words} source={source} trainer=cpu hydra.run.dir=predicted", folder)
    with Image.open(folder / "predicted" / "distances" / "0.png") as image:
        found = np.array(image, np.float32) / 1000
    truth = np.array(Image.open(folder / "scenes" / "distances" / "0.png"), np.float32) / 1000
    assert found.shape == truth.shape
    assert (np.maximum(found / truth, truth / found) < 1.25).mean() > 0.6
    with (folder / "predicted" / "predictions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


@pytest.mark.parametrize("writer", ["table", "webdataset", "litdata"])
def test_converted_distance_is_read_again(folder: Path, writer: str) -> None:
    if writer == "litdata":
        pytest.importorskip("litdata")
    convert = f"candelabra convert plugins=[{EXAMPLE}]"
    run_here(
        f"{convert} data=table data.root=scenes data.mask_classes=[wall,thing] to={writer} folder=as_{writer}",
        folder,
    )
    labels = json.loads((folder / f"as_{writer}" / "labels.json").read_text())
    assert labels["distance_per_metre"] == 1000
    run_here(f"{convert} data={writer} data.root=as_{writer} to=table folder=back_{writer}", folder)
    assert read_maps(folder / f"back_{writer}" / "distances") == read_labelled_maps(folder / "scenes")


def read_maps(folder: Path) -> Counter[bytes]:
    return Counter(np.array(Image.open(path), np.uint16).tobytes() for path in folder.rglob("*.png"))


def read_labelled_maps(scenes: Path) -> Counter[bytes]:
    with (scenes / "table.csv").open() as file:
        paths = [scenes / row["distance"] for row in csv.DictReader(file) if row["distance"]]
    return Counter(np.array(Image.open(path), np.uint16).tobytes() for path in paths)
