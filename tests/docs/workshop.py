"""A folder with small data of the names that the documentation uses, drawn, and runs that its pages begin from."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from candelabra.commands.train import run_train
from candelabra.data import Shapes
from candelabra.types import Sample
from tests.small_runs import composed

SIDE = 64
_NAMES = ("cat", "dog")
_POINTS = ("left_eye", "right_eye", "mouth")
_PERSONS = 26  # two thirds of them make a batch of 16


def draw_workshop(root: Path) -> None:
    """Draws all data sets and single pictures below a folder."""
    scenes = [Shapes(count=40, canvas=SIDE).read()[index] for index in range(40)]
    for name in ("photos", "others", "new_photos", "pets", "bugs", "labelled"):
        for index, scene in enumerate(scenes[:24]):
            _save(scene, root / name / _NAMES[index % 2] / f"{index}.jpg")
    for index in range(_PERSONS * 4):
        _save(scenes[index % 40], root / "persons" / f"person{index % _PERSONS}" / f"{index}.jpg")
    for name in ("holiday", "portraits", "new"):
        for index in range(3):
            _save(scenes[index], root / name / f"{index}.jpg")
    for name in ("holiday", "photo", "portrait", "cat"):
        _save(scenes[0], root / f"{name}.jpg")
    for name in ("raccoon", "kangaroo", "heads"):
        _write_voc(root / name, scenes)
    _write_points(root / "faces", scenes)
    _write_table(root / "patients", ["label", "age", "height"], scenes, lambda n: [_NAMES[n % 2], n + 0.5, 100 + n % 7])
    _write_table(root / "retina", ["severity"], scenes, lambda n: [n % 4])
    _write_table(root / "rooms", ["depth"], scenes, lambda n: [f"depth/{n}.png"])
    _write_depth(root / "rooms" / "depth", scenes)
    _write_masks(root / "camvid", scenes)
    _write_coco(root / "people", scenes)
    _write_pets(root / "data" / "oxford-iiit-pet", scenes)


def train_runs(root: Path) -> None:
    """Trains what pages begin from, for one epoch each."""
    pets = ["data=pets", f"data.root={root / 'data'}"]
    for name, words in {
        "first": ["task=classification", "data=folder", f"data.root={root / 'photos'}"],
        "masks": ["task=segmentation", "data=masks", f"data.root={root / 'camvid'}"],
        "pets": ["task=multitask", *pets],
    }.items():
        folder = [f"folder={root / 'runs' / name}", "epochs=1", "data.size=32"]
        run_train(composed("train", *folder, *words))


def _save(scene: Sample, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene["image"].permute(1, 2, 0).numpy()).save(path, quality=95)


def _mask(scene: Sample) -> np.ndarray:
    found: np.ndarray = np.asarray(scene["mask"]).reshape(SIDE, SIDE).astype(np.uint8)
    return found


def _box(scene: Sample) -> list[int]:
    return [round(float(side)) for side in scene["box"].flatten()]


def _xml(index: int, scene: Sample) -> str:
    names = zip(("xmin", "ymin", "xmax", "ymax"), _box(scene), strict=True)
    box = "".join(f"<{name}>{value}</{name}>" for name, value in names)
    thing = f"<object><name>{_NAMES[index % 2]}</name><bndbox>{box}</bndbox></object>"
    size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
    return f"<annotation><filename>{index}.jpg</filename>{size}{thing}</annotation>"


def _write_voc(root: Path, scenes: list[Sample]) -> None:
    (root / "annotations").mkdir(parents=True)
    for index, scene in enumerate(scenes):
        _save(scene, root / "images" / f"{index}.jpg")
        (root / "annotations" / f"{index}.xml").write_text(_xml(index, scene))


def _write_points(root: Path, scenes: list[Sample]) -> None:
    root.mkdir()
    with (root / "points.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *(f"{point}_{axis}" for point in _POINTS for axis in "xy")])
        for index, scene in enumerate(scenes):
            _save(scene, root / f"{index}.jpg")
            writer.writerow([f"{index}.jpg", *(f"{float(each):.1f}" for each in scene["keypoints"].flatten())])


def _write_table(root: Path, columns: list[str], scenes: list[Sample], describe: Callable[[int], list[object]]) -> None:
    root.mkdir(exist_ok=True)
    with (root / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *columns])
        for index, scene in enumerate(scenes):
            _save(scene, root / f"{index}.jpg")
            writer.writerow([f"{index}.jpg", *describe(index)])


def _write_depth(root: Path, scenes: list[Sample]) -> None:
    """Millimetres, of which none is 0."""
    root.mkdir(parents=True)
    for index, scene in enumerate(scenes):
        Image.fromarray((_mask(scene).astype(np.uint16) + 1) * 1000).save(root / f"{index}.png")


def _write_masks(root: Path, scenes: list[Sample]) -> None:
    (root / "masks").mkdir(parents=True)
    for index, scene in enumerate(scenes):
        _save(scene, root / "images" / f"{index}.jpg")
        Image.fromarray(_mask(scene)).save(root / "masks" / f"{index}.png")


def _write_coco(root: Path, scenes: list[Sample]) -> None:
    images, things = [], []
    for index, scene in enumerate(scenes):
        _save(scene, root / "images" / f"{index}.jpg")
        left, top, right, bottom = _box(scene)
        outline = [left, top, right, top, right, bottom, left, bottom]
        images.append({"id": index, "file_name": f"{index}.jpg", "width": SIDE, "height": SIDE})
        thing = {"id": index + 1, "image_id": index, "category_id": 1, "iscrowd": 0, "segmentation": [outline]}
        things.append({**thing, "bbox": [left, top, right - left, bottom - top], "area": 1.0})
    document = {"images": images, "annotations": things, "categories": [{"id": 1, "name": "person"}]}
    (root / "annotations.json").write_text(json.dumps(document))


def _write_pets(root: Path, scenes: list[Sample]) -> None:
    (root / "annotations" / "trimaps").mkdir(parents=True)
    (root / "annotations" / "xmls").mkdir()
    lines = []
    for index, scene in enumerate(scenes):
        name = f"{('Bengal', 'beagle')[index % 2]}_{index}"
        _save(scene, root / "images" / f"{name}.jpg")
        Image.fromarray(np.where(_mask(scene) > 0, 1, 2).astype(np.uint8)).save(
            root / "annotations" / "trimaps" / f"{name}.png"
        )
        xml = _xml(index, scene).replace(f"<filename>{index}.jpg", f"<filename>{name}.jpg")
        (root / "annotations" / "xmls" / f"{name}.xml").write_text(xml)
        lines.append(f"{name} {index % 2 + 1} {index % 2 + 1} 1")
    (root / "annotations" / "trainval.txt").write_text("\n".join(lines[:28]) + "\n")
    (root / "annotations" / "test.txt").write_text("\n".join(lines[28:]) + "\n")
