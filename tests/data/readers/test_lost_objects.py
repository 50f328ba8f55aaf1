"""An image whose objects could not be read is unlabelled: `no object` would teach its objects as background."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Coco, Table, Voc, Yolo
from candelabra.data.readers.reader import Reader

GOOD = (5, 5, 40, 40)
LOST = {"flat": (5, 5, 5, 5), "outside": (200, 5, 240, 40), "words": ("x", 5, 40, 40)}
CASES: Mapping[str, list[tuple[object, ...]]] = {
    "good": [GOOD],
    "none": [],
    **{name: [box] for name, box in LOST.items()},
    "both": [GOOD, LOST["words"]],
}


def write_voc(root: Path) -> Reader:
    (root / "Annotations").mkdir()
    box = "<name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    cases: dict[str, list[tuple[object, ...]]] = {**CASES, "unnamed": [GOOD]}
    for name, boxes in cases.items():
        kind = "" if name == "unnamed" else "cat"
        objects = "".join(f"<object>{box.format(kind, *each)}</object>" for each in boxes)
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")
    return Voc(root=str(root))


def write_coco(root: Path) -> Reader:
    good, words = [5, 5, 35, 35], ["x", 5, 35, 35]
    boxes: dict[str, list[Any]] = {"good": [good], "none": [], "flat": [[5, 5, 0, 0]], "outside": [[200, 5, 40, 35]]}
    images: list[dict[str, object]] = []
    objects: list[dict[str, object]] = []
    for number, (name, own) in enumerate({**boxes, "words": [words], "both": [good, words], "unnamed": [good]}.items()):
        images.append({"id": number, "file_name": f"{name}.png"})
        kind = 7 if name == "unnamed" else 1  # there is no 7
        objects += [{"image_id": number, "category_id": kind, "bbox": box} for box in own]
    document = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
    (root / "annotations.json").write_text(json.dumps(document))
    return Coco(root=str(root))


def write_yolo(root: Path) -> Reader:
    (root / "labels").mkdir()
    good = "0 0.3 0.3 0.4 0.4"
    lines = {
        "good": [good],
        "none": [],
        "flat": ["0 .1 .1 0 0"],
        "outside": ["0 3 .1 .1 .1"],
        "words": ["0 x .1 .1 .1"],
    }
    for name, rows in {**lines, "both": [good, "0 x .1 .1 .1"], "unnamed": ["7 .3 .3 .4 .4"]}.items():
        (root / "labels" / f"{name}.txt").write_text("\n".join(rows))
    (root / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    return Yolo(root=str(root))


def write_table(root: Path) -> Reader:
    cells = {name: json.dumps([[*box, 0] for box in boxes]) for name, boxes in CASES.items()}
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "boxes"), *((f"images/{n}.png", cell) for n, cell in cells.items())])
    return Table(root=str(root))


@pytest.mark.parametrize("write", [write_voc, write_coco, write_yolo, write_table])
def test_an_image_that_lost_all_its_objects_is_not_taken_for_one_without(
    write: Callable[[Path], Reader], tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    for name in (*CASES, "unnamed"):
        Image.new("RGB", (64, 64)).save(tmp_path / "images" / f"{name}.png")
    samples = write(tmp_path).read()
    counts = {}
    for index, name in enumerate(samples.names):
        rows = np.asarray(samples.load(index)["boxes"])
        counts[Path(name).stem] = None if np.isnan(rows).any() else len(rows)
    wanted = {"good": 1, "none": 0, "flat": None, "outside": None, "words": None, "both": 1, "unnamed": None}
    assert counts == {name: wanted[name] for name in counts}
    assert counts.keys() >= CASES.keys()
