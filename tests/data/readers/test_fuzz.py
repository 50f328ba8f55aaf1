"""Damaged label files of every format: each data set is read or refused in words, and no sample of it crashes."""

import io
import json
import random
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Reader
from candelabra.data.targets import LabelTarget
from tests.data.files import write_image, write_mask
from tests.data.mutants import MEMORY, mutants, read_in_a_process

XML = (
    "<annotation><filename>{0}.jpg</filename><size><width>24</width><height>16</height><depth>3</depth></size>"
    "<object><name>cat</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>12</xmax><ymax>9</ymax></bndbox></object>"
    "<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></object>"
    "</annotation>"
)
NAMES = [f"{number}.jpg" for number in range(6)]


def images(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        write_image(folder / name, colour=(number * 30, 0, 0))


def voc(root: Path) -> Path:
    images(root / "images")
    (root / "annotations").mkdir()
    for number in range(6):
        (root / "annotations" / f"{number}.xml").write_text(XML.format(number))
    return root / "annotations" / "2.xml"


def coco(root: Path) -> Path:
    images(root / "images")
    found = [{"id": n, "file_name": name, "width": 24, "height": 16} for n, name in enumerate(NAMES)]
    objects = [
        {
            "id": n,
            "image_id": n,
            "category_id": n % 2,
            "bbox": [2, 3, 10, 6],
            "area": 60,
            "iscrowd": 0,
            "segmentation": [[2, 3, 12, 3, 12, 9]] if n % 3 else {"size": [16, 24], "counts": "0102030"},
            "keypoints": [3, 4, 2, 5, 6, 0],
            "num_keypoints": 1,
        }
        for n in range(6)
    ]
    words = {"keypoints": ["left", "right"], "skeleton": []}
    kinds = [{"id": n, "name": name, **words} for n, name in enumerate(("cat", "dog"))]
    document = {"images": found, "annotations": objects, "categories": kinds}
    (root / "instances.json").write_text(json.dumps(document))
    return root / "instances.json"


def yolo(root: Path) -> Path:
    images(root / "images" / "train")
    (root / "labels" / "train").mkdir(parents=True)
    for number in range(6):
        text = f"0 0.5 0.5 0.25 0.3\n{number % 2} 0.2 0.3 0.1 0.1\n"
        (root / "labels" / "train" / f"{number}.txt").write_text(text)
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames:\n  0: cat\n  1: dog\n")
    return root / "labels" / "train" / "1.txt"


def yolo_yaml(root: Path) -> Path:
    yolo(root)
    return root / "data.yaml"


def table(root: Path) -> Path:
    images(root)
    rows = [f"{name},train,{'cat' if n % 2 else 'dog'},2,3,12,9,4.5,5,{n},7" for n, name in enumerate(NAMES)]
    head = "image,split,label,xmin,ymin,xmax,ymax,left_eye_x,left_eye_y,right_eye_x,right_eye_y"
    (root / "table.csv").write_text("\n".join([head, *rows]))
    return root / "table.csv"


def deeplabcut(root: Path) -> Path:
    images(root / "labeled-data" / "film")
    head = ["scorer,me,me,me,me", "bodyparts,nose,nose,tail,tail", "coords,x,y,x,y"]
    rows = [f"labeled-data/film/{name},3.5,4,{n},8" for n, name in enumerate(NAMES)]
    path = root / "labeled-data" / "film" / "CollectedData_me.csv"
    path.write_text("\n".join([*head, *rows]))
    return path


def wflw(root: Path) -> Path:
    images(root / "WFLW_images")
    points = " ".join(f"{x % 24}.5 {x % 16}.25" for x in range(98))
    lines = [f"{points} 2 3 20 15 0 0 0 0 0 0 {name}" for name in NAMES]
    path = root / "list_98pt_rect_attr_train.txt"
    path.write_text("\n".join(lines))
    return path


def pts(root: Path) -> Path:
    images(root)
    for number in range(6):
        body = "\n".join(f"{x}.5 {x % 15}.25" for x in range(1, 6))
        (root / f"{number}.pts").write_text(f"version: 1\nn_points: 5\n{{\n{body}\n}}\n")
    return root / "3.pts"


def masks(root: Path) -> Path:
    images(root / "images")
    for number in range(6):
        values = np.zeros((16, 24)) + (np.arange(24) > 8 + number)
        write_mask(root / "masks" / f"{number}.png", values)
    lines = [f"images/{number}.jpg masks/{number}.png" for number in range(6)]
    (root / "train.txt").write_text("\n".join(lines))
    return root / "train.txt"


def shards(root: Path) -> Path:
    images(root / "loose")
    with tarfile.open(root / "train-0.tar", "w") as tar:
        for number, name in enumerate(NAMES):
            tar.add(root / "loose" / name, f"{number}.jpg")
            said = json.dumps({"label": "cat" if number % 2 else "dog", "box": [2, 3, 12, 9]}).encode()
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(said)
            tar.addfile(member, io.BytesIO(said))
    return root / "train-0.tar"


MADE: dict[str, tuple[Callable[[Path], Path], str, dict[str, object]]] = {
    "voc": (voc, "Voc", {}),
    "coco": (coco, "Coco", {}),
    "yolo": (yolo, "Yolo", {}),
    "yolo_yaml": (yolo_yaml, "Yolo", {}),
    "table": (table, "Table", {}),
    "deeplabcut": (deeplabcut, "DeepLabCut", {}),
    "wflw": (wflw, "Wflw", {}),
    "pts": (pts, "Pts", {}),
    "masks": (masks, "Masks", {"classes": ["no", "yes"]}),
    "shards": (shards, "WebDataset", {}),
}


@cache
def made(kind: str, folder: Path) -> Path:
    """A data set of this kind; its label file, of which damaged ones take the place."""
    root = folder / kind
    root.mkdir()
    return MADE[kind][0](root)


def read_damaged(path: Path) -> None:
    """The data set of a damaged file, all of it: lists, labels, headers and every sample that is said to be usable."""
    import candelabra.data

    kind = path.name.rpartition("_")[0]
    _, name, options = MADE[kind]
    made(kind, path.parent).write_bytes(path.read_bytes())
    data: Reader = getattr(candelabra.data, name)(root=str(path.parent / kind), **options)
    samples = data.read()
    bad = samples.verify()
    known = samples.labelled()
    for index in sorted(set(range(len(samples))) - set(bad)):
        samples.inspect(index)
        sample = samples.load(index, (8, 8))
        for target in known:
            assert target in sample
        if "label" in known and not samples.labels[LabelTarget].multilabel:
            assert -1 <= int(sample["label"]) < len(samples.labels[LabelTarget].classes)
        if "box" in known and known["box"][index]:
            left, top, right, bottom = sample["box"][0].tolist()
            assert 0 <= left < right <= 24
            assert 0 <= top < bottom <= 16


def judge(kind: str, folder: Path, count: int, timeout: float) -> None:
    (folder / "whole").mkdir()
    content, rng = made(kind, folder / "whole").read_bytes(), random.Random(0)
    files = [folder / f"{kind}_{number}" for number in range(count)]
    for path, mutant in zip(files, mutants(content, rng, count), strict=True):
        path.write_bytes(mutant)
    found = read_in_a_process(files, "tests.data.readers.test_fuzz", "read_damaged", timeout)
    print(kind, {key: value for key, value in found.items() if key != "failures"})
    assert not found["failures"]
    assert found["used"] + found["refused"] == count
    assert found["used"] > 0
    assert found["bytes"] < MEMORY


@pytest.mark.parametrize("kind", ["coco", "table"])
def test_damaged_labels_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    judge(kind, tmp_path, 20, 120)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
def test_many_damaged_labels_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    judge(kind, tmp_path, 2000, 580)
