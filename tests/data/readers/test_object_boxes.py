"""All objects of an image, as VOC, COCO and YOLO state them, and as tables and shards keep them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from candelabra.data import Coco, DataModule, Table, Voc, WebDataset, Yolo
from candelabra.data.labels_json import write_labels_json
from candelabra.data.samples import Samples
from candelabra.data.targets import BoxesTarget
from candelabra.data.writers.entry import make_entry
from candelabra.data.writers.table import TableWriter
from candelabra.data.writers.webdataset import WebDatasetWriter
from tests.data.files import write_image

PAIR: list[tuple[str, tuple[int, ...]]] = [("cat", (2, 2, 10, 10)), ("dog", (4, 6, 20, 14))]


def _write_voc(root: Path, objects: dict[str, list[tuple[str, tuple[int, ...]]]]) -> Voc:
    for name, things in objects.items():
        write_image(root / f"{name}.jpg", (24, 16))
        sides = ("xmin", "ymin", "xmax", "ymax")
        text = "".join(
            f"<object><name>{kind}</name><bndbox>"
            + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
            + "</bndbox></object>"
            for kind, box in things
        )
        (root / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>24</width><height>16</height></size>"
            f"{text}</annotation>"
        )
    return Voc(root=str(root))


def _call_difficult(xml: Path, kind: str) -> None:
    xml.write_text(xml.read_text().replace(f"<name>{kind}</name>", f"<name>{kind}</name><difficult>1</difficult>"))


def _write_coco(root: Path, annotations: list[dict[str, Any]]) -> Coco:
    for number in range(3):
        write_image(root / f"{number}.jpg", (24, 16))
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 24, "height": 16} for number in range(3)]
    categories = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 9, "name": "bird"}]
    (root / "a.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return Coco(root=str(root))


def _list_values(samples: Samples) -> list[Any]:
    return [samples[index]["boxes"].tolist() for index in range(len(samples))]


def test_voc_gives_all_objects_and_an_image_without_one_is_labelled(tmp_path: Path) -> None:
    samples = _write_voc(tmp_path, {"a": PAIR, "b": [], "c": PAIR[:1]}).read()
    assert samples.labels[BoxesTarget].classes == ("cat", "dog")
    assert samples.labelled()["boxes"].tolist() == [True, True, True]
    # VOC counts pixels from 1
    assert [len(each) for each in _list_values(samples)] == [2, 0, 1]
    assert [row[4:] for row in samples[0]["boxes"].tolist()] == [[0, 1], [1, 1]]
    assert samples.labelled()["box"].tolist() == [True, False, True]  # one of several objects; none there is none


def test_coco_crowds_are_regions_that_neither_teach_nor_count(tmp_path: Path) -> None:
    crowd = {"image_id": 0, "category_id": 3, "bbox": [0, 0, 24, 16], "iscrowd": 1}
    samples = _write_coco(tmp_path, [{"image_id": 0, "category_id": 7, "bbox": [2, 2, 8, 8]}, crowd]).read()
    assert samples.labels[BoxesTarget].classes == ("cat", "dog", "bird")  # somebody looked for birds
    assert _list_values(samples) == [[[2, 2, 10, 10, 0, 1], [0, 0, 24, 16, 1, 0]], [], []]


def test_voc_objects_that_are_difficult_neither_teach_nor_count_unless_all_are(tmp_path: Path) -> None:
    reader = _write_voc(tmp_path, {"a": PAIR, "b": PAIR[:1]})
    _call_difficult(tmp_path / "a.xml", "dog")
    samples = reader.read()
    assert [[row[4:] for row in rows] for rows in _list_values(samples)] == [[[0, 1], [1, 0]], [[0, 1]]]
    (issue,) = [each for each in samples.issues if each.what == "difficult objects"]
    assert (issue.name, issue.detail) == ("a.jpg", "1 images; boxes: they neither teach nor count")
    for name, kind in (("a", "cat"), ("b", "cat")):
        _call_difficult(tmp_path / f"{name}.xml", kind)
    assert [[row[5] for row in rows] for rows in _list_values(reader.read())] == [[1, 1], [1]]


def test_degenerate_boxes_are_dropped_and_listed_and_those_outside_too(tmp_path: Path) -> None:
    boxes = [[2, 2, 8, 8], [5, 5, 0, 4], [30, 2, 5, 5], [20, 2, 8, 8], [2, 2, 8]]
    samples = _write_coco(tmp_path, [{"image_id": 0, "category_id": 7, "bbox": box} for box in boxes]).read()
    samples.verify()
    assert _list_values(samples)[0] == [[2, 2, 10, 10, 0, 1], [20, 2, 24, 10, 0, 1]]
    found = {issue.what: str(issue.treatment) for issue in samples.issues}
    assert found["box has no area"] == found["object outside the image"] == "unlabelled"
    assert found["object partly outside the image, cut"] == "repaired"


def test_yolo_files_without_a_line_say_that_no_object_is_there(tmp_path: Path) -> None:
    for name, text in {"a": "0 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.1 0.2\n", "b": "", "c": None}.items():
        write_image(tmp_path / "images" / f"{name}.jpg", (40, 20))
        (tmp_path / "labels").mkdir(exist_ok=True)
        if text is not None:
            (tmp_path / "labels" / f"{name}.txt").write_text(text)
    samples = Yolo(root=str(tmp_path)).read()
    assert samples.labelled()["boxes"].tolist() == [True, True, False]
    assert _list_values(samples)[:2] == [[[10, 5, 30, 15, 0, 1], [8, 8, 12, 12, 1, 1]], []]


@pytest.mark.parametrize("form", ["table", "webdataset"])
def test_written_boxes_are_read_again(tmp_path: Path, form: str) -> None:
    crowd = {"image_id": 0, "category_id": 3, "bbox": [0, 0, 24, 16], "iscrowd": 1}
    (tmp_path / "coco").mkdir()
    given = _write_coco(tmp_path / "coco", [{"image_id": 0, "category_id": 7, "bbox": [2, 2, 8, 8]}, crowd]).read()
    entries = [make_entry(given, index, "train") for index in range(3)]
    (TableWriter() if form == "table" else WebDatasetWriter()).write(tmp_path, given.labels, entries)
    (tmp_path / "labels.json").write_text(write_labels_json(given.labels))
    again = Table(root=str(tmp_path)).read() if form == "table" else WebDataset(root=str(tmp_path)).read()
    assert again.labels == given.labels
    assert _list_values(again) == _list_values(given)


@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_batches_hold_all_objects_whatever_caches_them(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    reader = _write_voc(tmp_path, {"a": PAIR, "b": [], "c": PAIR[:1], "d": PAIR})
    data = DataModule(reader, size=32, batch_size=4, workers=0, augment="none", val=0.0, test=0.0, cache=cache)
    for _ in range(2):
        (batch,) = data.make_loader("train")
        assert batch["boxes"].shape == (4, 2, 6)
        assert sorted((batch["boxes"][..., 4] >= 0).sum(1).tolist()) == [0, 1, 2, 2]
        assert torch.equal(batch["boxes"][batch["boxes"][..., 4] < 0].unique(), torch.tensor([-1.0]))


def test_a_table_with_a_row_an_object_gives_all_of_them(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.jpg", (24, 16))
    rows = ["image,label,xmin,ymin,xmax,ymax", "a.jpg,cat,2,2,10,10", "a.jpg,dog,12,6,20,14", "b.jpg,dog,30,2,34,9"]
    rows += ["b.jpg,cat,0,0,8,8", "b.jpg,cat,5,5,5,9", "c.jpg,,,,,"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    samples = Table(root=str(tmp_path)).read()
    samples.verify()
    assert samples.labels[BoxesTarget].classes == ("cat", "dog")
    assert samples.labelled()["boxes"].tolist() == [True, True, False]  # an empty cell says nothing
    assert _list_values(samples)[:2] == [[[2, 2, 10, 10, 0, 1], [12, 6, 20, 14, 1, 1]], [[0, 0, 8, 8, 0, 1]]]
    found = {issue.what for issue in samples.issues}
    assert {"box has no area", "object outside the image"} <= found
    assert samples[0]["box"].tolist() == [[2, 2, 10, 10]]


def test_boxes_of_a_table_may_have_no_class_and_be_shares_of_the_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", (40, 20))
    rows = ["image,xmin,ymin,xmax,ymax", "a.jpg,0,0,0.25,0.5", "a.jpg,0.5,0.5,1,1"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    samples = Table(root=str(tmp_path)).read()
    assert samples.labels[BoxesTarget].classes == ("object",)
    assert _list_values(samples) == [[[0, 0, 10, 10, 0, 1], [20, 10, 40, 20, 0, 1]]]
