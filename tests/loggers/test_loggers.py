"""One real run in all trackers, cut back to an earlier checkpoint and gone on with: what each of them then has."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.commands.train import run_train
from tests.data.readers.test_voc import xml
from tests.loggers.reading import of_csv, of_mlflow, of_tensorboard, of_wandb
from tests.small_runs import composed
from tests.training.test_interruption import SPEEDS

WORDS = ("logger=[tensorboard,wandb,mlflow]", "logger.wandb.log_model=true", "logger.mlflow.log_model=true")
SMALL = ("data.count=100", "data.canvas=64", "data.size=32", "epochs=2", "save.steps=2", "save.keep=9")
PER_STEP = ("gradient_norm", "train/loss", "train/mask/loss", "lr-AdamW/heads")
PER_EPOCH = ("images_per_second", "data_wait", "val/score", "val/label/accuracy")
LOADING = [  # of mlflow and wandb, in their own code
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run, a job of a sweep, after it was gone on with at its third step of eight."""
    home = tmp_path_factory.mktemp("home")
    sweep = tmp_path_factory.mktemp("runs") / "widths"
    sweep.mkdir()
    (sweep / "sweep.json").write_text("{}")
    folder = sweep / "3"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "CANDELABRA_CACHE"):
            patch.setenv(name, str(home))
        patch.delenv("WANDB_API_KEY", raising=False)
        run_train(composed("train", *SMALL, *WORDS, f"folder={folder}"))
        (folder / "before.csv").write_bytes((folder / "metrics.csv").read_bytes())
        for path in (folder / "checkpoints").glob("*.ckpt"):
            if path.name not in ("step-00000002.ckpt", "best.ckpt"):
                path.unlink()
        run_train(composed("train", *SMALL, *WORDS, f"folder={folder}", f"resume={folder}"))
    return folder


pytestmark = [pytest.mark.filterwarnings(each) for each in LOADING]


def expected(run: Path) -> list[tuple[str, int, float]]:
    """Each metric once a step: some (the number of the epoch) come in several rows of metrics.csv."""
    rows = sorted(set(of_csv(run)))
    assert {key for key, *_ in rows} >= {*PER_STEP, *PER_EPOCH, "test/score"}
    assert not any(key.startswith("balance/") for key, *_ in rows)  # a fixed balance has nothing to show
    return rows


def once(numbers: list[tuple[str, int, float]]) -> set[tuple[str, int]]:
    """Which metrics there are at which steps, none of them twice."""
    kept = [(key, step) for key, step, _ in numbers if key != "epoch"]
    assert len(kept) == len(set(kept)), sorted(each for each in set(kept) if kept.count(each) > 1)[:5]
    return set(kept)


def test_csv_has_every_metric_once_and_goes_on(run: Path) -> None:
    rows = expected(run)
    assert once(rows) == {(key, step) for key, step, _ in rows if key != "epoch"}
    steps = {key: [step for name, step, _ in rows if name == key] for key in (*PER_STEP, *PER_EPOCH)}
    assert all(steps[key] == list(range(8)) for key in PER_STEP), steps
    assert all(steps[key][:2] == [3, 7] for key in PER_EPOCH), steps  # the best one is validated once more, at 8
    assert [step for name, step, _ in rows if name == "test/score"] == [8]
    assert json.loads((run / "code.json").read_text()).keys() >= {"candelabra", "torch", "lightning", "python"}
    seen = np.load(run / "embedding.npz")
    assert seen["vectors"].shape[0] == len(seen["label"]) == 15


def test_tensorboard_shows_the_same_numbers_pictures_tables_config_and_embedding(run: Path) -> None:
    numbers, events = of_tensorboard(run)
    rows = expected(run)
    assert once(numbers) == once(rows)
    shown = {(key, step): value for key, step, value in numbers}
    for key, step, value in rows:
        assert shown[key, step] == pytest.approx(value, rel=1e-5), key
    tags = events.Tags()
    assert [image.step for image in events.Images("predictions")] == [3, 7]
    assert {"test/predictions", "test/label_confusion", "test/mask_confusion"} <= set(tags["images"])
    texts = {tag.removesuffix("/text_summary") for tag in tags["tensors"]}
    assert {"config", "code", "label_classes", "mask_classes"} <= texts
    config = events.Tensors("config/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "backbone:" in config
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert "sprite" in (run / "tensorboard" / "projector_config.pbtxt").read_text()


def test_wandb_has_them_under_one_id_grouped_by_the_sweep_to_be_sent_later(run: Path) -> None:
    files = sorted((run / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2  # the run, and how it went on
    assert {file.stem for file in files} == {f"run-{(run / 'wandb.id').read_text().strip()}"}
    read = [of_wandb(file) for file in files]
    wanted = once(expected(run))
    numbers = [row for row in read[0][0] + read[1][0] if row[:2] in wanted]
    assert once(numbers) == wanted
    assert {(key, step) for key, step, _ in read[1][0] if key == "train/loss"} == set()  # all was logged before
    records = read[0][1]
    described = next(record.run for record in records if record.HasField("run"))
    assert (described.run_group, described.display_name, described.project) == ("widths", "widths/3", "candelabra")
    config = {item.key: json.loads(item.value_json) for item in described.config.update}
    assert config["backbone"]["name"] == "test_resnet"
    assert config["code"]["torch"]
    media = {item.nested_key[0] for r in records for item in r.history.item if item.nested_key}
    assert {"predictions", "test/label_confusion", "label_classes", "embedding"} <= media
    kinds = {record.request.log_artifact.artifact.type for record in records} | {r.artifact.type for r in records}
    assert "model" in kinds


def test_mlflow_has_them_in_a_database_beside_the_sweep(run: Path) -> None:
    numbers, found, _ = of_mlflow(run, run.parents[1])
    rows = expected(run)
    assert once(numbers) == once(rows)
    stored = {(key, step): value for key, step, value in numbers}
    for key, step, value in rows:
        assert key in SPEEDS or stored[key, step] == pytest.approx(value, rel=1e-6), key
    assert found.info.run_name == "widths/3"
    assert found.info.status == "FINISHED"
    assert found.data.params["backbone.name"] == "test_resnet"
    assert found.data.tags["sweep"] == "widths"
    assert found.data.tags["code.torch"]
    names = {path.name for path in Path(found.info.artifact_uri.removeprefix("file://")).rglob("*") if path.is_file()}
    assert {"resolved.yaml", "label_classes.csv", "vectors.tsv", "metadata.tsv", "sprite.png", "best.ckpt"} <= names
    assert sum(name.startswith("predictions+step+") and name.endswith(".png") for name in names) == 2


def test_a_class_without_a_number_stops_neither_the_run_nor_a_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    root, folder = tmp_path / "photos", tmp_path / "run"
    for name in ("JPEGImages", "Annotations"):
        (root / name).mkdir(parents=True)
    lines = ["image,split"]
    for number in range(8):
        Image.new("RGB", (64, 64)).save(root / "JPEGImages" / f"{number}.jpg")
        kind, split = ("rare", "train") if number < 2 else ("common", ("train", "val", "test")[number % 3])
        (root / "Annotations" / f"{number}.xml").write_text(xml((kind, 5, 5, 40, 40)))
        lines.append(f"JPEGImages/{number}.jpg,{split}")
    (tmp_path / "splits.csv").write_text("\n".join(lines))
    data = ("task=detection", "data=voc", f"data.root={root}", f"data.split={tmp_path / 'splits.csv'}", "epochs=1")
    with caplog.at_level(logging.WARNING):
        run_train(composed("train", *data, WORDS[0], "task.boxes.width=16", f"folder={folder}"))
    assert not [record.getMessage() for record in caplog.records if "logger" in record.getMessage()]
    with (folder / "boxes_classes.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [len(row) for row in rows] == [len(rows[0])] * 4  # a name of columns, two classes and the background
    assert [row[-3:-1] for row in rows[2:]] == [["", ""]] * 2  # ap and ap50; the last is the score
    file = next((folder / "wandb").glob("offline-run-*/*.wandb"))
    logged = {i.nested_key[0] for r in of_wandb(file)[1] for i in r.history.item if i.nested_key}
    assert "boxes_classes" in logged
    path = next(path for path in tmp_path.rglob("boxes_classes.csv") if path.parent.name == "tables")
    assert "rare,0.0,0.0,0.0,0.0,0.0,," in path.read_text()
