"""Hugging Face data sets, from folders made here and from a hub whose transport is replaced."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from candelabra.data import DataModule, HuggingFace
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.shards.arrow_source import ArrowSource
from candelabra.data.targets import BoxesTarget, LabelTarget
from candelabra.errors import CandelabraError

datasets = pytest.importorskip("datasets")
CLASSES = ["cat", "dog"]


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def png(value: int, mode: str = "RGB") -> dict[str, Any]:
    made = io.BytesIO()
    Image.new(mode, (12, 10), (value, 0, 0) if mode == "RGB" else value).save(made, "PNG")
    return {"bytes": made.getvalue(), "path": None}


def rows(count: int = 12) -> Any:
    features = datasets.Features(
        {
            "img": datasets.Image(),
            "fine": datasets.ClassLabel(names=CLASSES),
            "coarse": datasets.ClassLabel(names=["animal"]),
            "tags": datasets.List(datasets.ClassLabel(names=["p", "q", "r"])),
            "objects": {
                "bbox": datasets.List(datasets.List(datasets.Value("float32"))),
                "category": datasets.List(datasets.ClassLabel(names=["ear", "tail"])),
            },
            "mask": datasets.Image(),
            "keypoints": datasets.List(datasets.List(datasets.Value("float32"))),
        }
    )
    cells: dict[str, Any] = {
        "img": [png(i) for i in range(count)],
        "fine": [-1 if i == 3 else i % 2 for i in range(count)],
        "coarse": [0] * count,
        "tags": [[0, 2] if i % 2 else [] for i in range(count)],
        "objects": [{"bbox": [[1, 2, 3, 4], [2, 2, 8, 7]][: i % 3], "category": [0, 1][: i % 3]} for i in range(count)],
        "mask": [png(i % 2, "L") for i in range(count)],
        "keypoints": [[[i, 1], [2, 3, 0][: 2 + i % 2]] for i in range(count)],
    }
    return datasets.Dataset.from_dict(cells, features=features)


def folder(path: Path) -> str:
    table = rows()
    datasets.DatasetDict(train=table, validation=table.select(range(6)), test=table.select(range(6, 12))).save_to_disk(
        str(path)
    )
    return str(path)


def test_columns_are_guessed_by_name_and_feature_and_splits_are_those_published(tmp_path: Path) -> None:
    data = DataModule(
        HuggingFace(path=folder(tmp_path / "d"), columns={"label": "fine"}, boxes="xywh"), size=16, workers=0
    )
    samples = data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 12, "val": 6, "test": 6}
    assert data.labels[LabelTarget].classes == ("cat", "dog")
    assert data.labels.targets == ("label", "box", "keypoints")
    assert samples.names[12] == "val/0"
    assert samples[5]["image"][0].unique().tolist() == [5]
    assert int(samples[3]["label"]) == -1
    assert samples[1]["box"].tolist() == [[1, 2, 4, 6]]
    assert samples[2]["box"].tolist() == [[2, 2, 10, 9]]  # the largest
    assert samples[0]["box"].isnan().all()
    assert samples[2]["keypoints"].tolist() == [[2, 1], [2, 3]]
    assert samples[3]["keypoints"].isnan().tolist() == [[False, False], [True, True]]  # not visible
    assert next(iter(data.train_dataloader()))["image"].shape == (12, 3, 16, 16)


def test_labels_of_boxes_go_with_the_box_that_is_taken(tmp_path: Path) -> None:
    columns = {"label": "objects.category"}
    path = folder(tmp_path / "d")
    samples = DataModule(HuggingFace(path=path, columns=columns, boxes="xywh")).open()
    assert samples.labels[LabelTarget].classes == ("ear", "tail")
    assert not samples.labels[LabelTarget].multilabel
    assert [int(samples[i]["label"]) for i in range(3)] == [-1, 0, 1]
    every = HuggingFace(path=path, columns=columns, boxes="xywh").read()
    assert every.labels[BoxesTarget].classes == every.labels[LabelTarget].classes
    assert [len(every[index]["boxes"]) for index in range(3)] == [0, 1, 2]
    assert every[2]["boxes"].tolist() == [[1, 2, 4, 6, 0, 1], [2, 2, 10, 9, 1, 1]]
    single = HuggingFace(path=path, columns=columns, boxes="xywh", objects="single").read()
    assert [int(single[i]["label"]) for i in range(3)] == [-1, 0, -1]
    assert single[2]["box"].isnan().all()


def test_lists_of_classes_are_several_labels_and_masks_want_names(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    data = DataModule(
        HuggingFace(path=path, columns={"label": "tags"}, boxes="xywh", words={"mask_classes": ["no", "yes"]})
    )
    samples = data.open()
    assert samples.labels[LabelTarget].multilabel
    assert samples[1]["label"].tolist() == [1, 0, 1]
    assert samples[0]["label"].tolist() == [0, 0, 0]
    assert samples[1]["mask"].unique().tolist() == [1]
    assert samples.labelled()["mask"].all()


def test_a_folder_of_parquet_files_and_one_of_images(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for split in ("train", "test"):
        rows(40).select_columns(["img", "fine"]).to_parquet(str(tmp_path / "p" / f"{split}-00000.parquet"))
    data = DataModule(HuggingFace(path=str(tmp_path / "p")))
    assert data.open()[1]["image"][0, 0, 0] == 1
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 34, "val": 6, "test": 40}
    for name in ("cat", "dog"):
        for i in range(20):
            path = tmp_path / "i" / "train" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(i)["bytes"])
    images = DataModule(HuggingFace(path=str(tmp_path / "i")))
    assert images.open().labels[LabelTarget].classes == ("cat", "dog")
    assert images.open().original(3) in {png(i)["bytes"] for i in range(20)}


def test_an_image_elsewhere_on_the_disk_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(1)["bytes"])
    features = datasets.Features({"image": datasets.Image()})
    cells = {"image": [{"bytes": None, "path": str(tmp_path / "secret.png")}] * 3 + [{"bytes": b"junk", "path": None}]}
    table = datasets.Dataset.from_dict(cells, features=features)
    with pytest.raises(UnreadableFile, match="outside"):
        ArrowSource([table], "image", {}, [tmp_path / "d"]).read(0)
    assert ArrowSource([table], "image", {}, [tmp_path]).read(0).image == png(1)["bytes"]


def test_an_image_that_is_none_is_found_before_training(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image()})
    cells = {"image": [*[png(1)] * 3, {"bytes": b"junk", "path": None}, None]}
    datasets.Dataset.from_dict(cells, features=features).save_to_disk(str(tmp_path / "d"))
    samples = HuggingFace(path=str(tmp_path / "d")).read()
    assert set(samples.verify()) == {3, 4}
    with pytest.raises(UnreadableFile, match="is no image"):
        samples.load(3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"several labels, fine and coarse; choose one with data.columns=\{label: fine\}"),
        ({"columns": {"label": "fine"}}, "data.boxes is not given.*xyxy or data.boxes=xywh"),
        ({"columns": {"label": "fien"}}, "data.columns has label: fien; there are fine"),
        ({"columns": {"lable": "fine"}}, "data.columns names lable; allowed are label"),
        ({"columns": {"label": "fine"}, "words": {"clases": []}}, "'clases'; allowed are classes"),
    ],
)
def test_what_is_not_clear_is_asked_for(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=words):
        HuggingFace(path=folder(tmp_path / "d"), **options).read()


def test_a_folder_that_is_none_of_these_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CandelabraError, match="cannot be loaded"):
        DataModule(HuggingFace(path=str(tmp_path / "empty"))).open()
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(CandelabraError, match="cannot be loaded"):
        DataModule(HuggingFace(path=str(tmp_path / "script"))).open()
    with pytest.raises(CandelabraError, match="is not a folder"):
        DataModule(HuggingFace(path="./nowhere")).open()


def test_a_hub_out_of_reach_is_named_after_one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    def connect(address: object, *_: object, **__: object) -> None:
        tries.append(address)
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("socket.create_connection", connect)
    with pytest.raises(CandelabraError, match=r"data.path=me/cats cannot be loaded .*Go online"):
        DataModule(HuggingFace(path="me/cats")).open()
    assert not tries  # libraries would try again, for minutes


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A hub on this machine with the one data set me/cats: its address, and what it was asked for."""
    asked: list[str] = []
    files = {"train.parquet": tmp_path / "train.parquet", "README.md": tmp_path / "README.md"}
    rows(40).select_columns(["img", "fine"]).to_parquet(str(files["train.parquet"]))
    files["README.md"].write_text("---\nconfigs:\n- config_name: default\n  data_files: train.parquet\n---\n")
    sha = "0123456789abcdef0123456789abcdef01234567"
    listed = [{"type": "file", "path": name, "size": path.stat().st_size, "oid": sha} for name, path in files.items()]

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.split("?")[0]
            name = path.rsplit("/", 1)[-1]
            if "/resolve/" in path and name in files:
                content = files[name].read_bytes()
            elif path.startswith("/api/datasets/me/cats") and ("/tree/" in path or "/paths-info/" in path):
                content = json.dumps(listed).encode()
            elif path in ("/api/datasets/me/cats", f"/api/datasets/me/cats/revision/{name}"):
                siblings = [{"rfilename": name} for name in files]
                content = json.dumps({"id": "me/cats", "sha": sha, "siblings": siblings, "tags": []}).encode()
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            for key, value in {"ETag": f'"{name}"', "X-Repo-Commit": sha, "Content-Length": len(content)}.items():
                self.send_header(key, str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = answer

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_fetched_once(tmp_path: Path, hub: tuple[str, list[str]]) -> None:
    code = (
        "from candelabra.data import DataModule, HuggingFace; from candelabra.data.targets import LabelTarget;"
        "samples = DataModule(HuggingFace(path='me/cats')).open();"
        "print(len(samples), samples.labels[LabelTarget].classes, int(samples[7]['image'].max()))"
    )

    def load(endpoint: str) -> str:
        there = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        run = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **there}, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    address, asked = hub
    assert load(address) == "40 ('cat', 'dog') 7\n"
    assert any("train.parquet" in each for each in asked)
    assert load("http://127.0.0.1:9") == "40 ('cat', 'dog') 7\n"  # nobody answers there
