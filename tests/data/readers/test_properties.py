"""Any data set that a generator writes is read to the annotations it was written from; converting keeps labels."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candelabra.data import Coco, Masks, Reader, Table, Voc, Yolo
from candelabra.data.class_words import clean_class_name
from candelabra.data.samples import Samples
from candelabra.data.targets import LabelTarget
from tests.data.files import write_image, write_mask

SIZE = (40, 20)
WORDS = [
    "yes",
    "no",
    "~",
    "007",
    "1e3",
    "a b",
    "caf\u00e9",
    "cafe\u0301",
    "x,y",
    "'q'",
    "<b>&",
    "\u732b",
    "1.0",
    "#1",
]
STEMS = ["a", "img 1", "caf\u00e9", "100%", "x;y", "(1)", "IMG-2", "0007", "a.b", "\u732b", "d'or", "n=1"]


@dataclass(frozen=True)
class Entry:
    """One image: its name without ending, the class, and a box XYXY in whole pixels."""

    stem: str
    name: str
    box: tuple[int, int, int, int]


@st.composite
def draw_entries(draw: st.DrawFn) -> list[Entry]:
    stems = draw(st.lists(st.sampled_from(STEMS), min_size=1, max_size=5, unique=True))
    found = []
    for stem in stems:
        left, top = draw(st.integers(0, 30)), draw(st.integers(0, 12))
        box = (left, top, left + draw(st.integers(2, 9)), top + draw(st.integers(2, 7)))
        found.append(Entry(stem, draw(st.sampled_from(WORDS)), box))
    return found


def numbered(entries: list[Entry]) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(clean_class_name(e.name) for e in entries))}


def write_coco(root: Path, entries: list[Entry], style: int) -> Reader:
    write: Any = (int, str, float)[style % 3]
    kinds = numbered(entries)
    images = [{"id": write(n), "file_name": f"{e.stem}.jpg", "width": 40, "height": 20} for n, e in enumerate(entries)]
    notes = [
        {
            "image_id": n,
            "category_id": kinds[clean_class_name(e.name)],
            "bbox": [e.box[0], e.box[1], e.box[2] - e.box[0], e.box[3] - e.box[1]],
        }
        for n, e in enumerate(entries)
    ]
    document = {
        "images": images[::-1],
        "annotations": notes,
        "categories": [{"id": write(number), "name": name} for name, number in kinds.items()],
    }
    (root / "a.json").write_text(json.dumps(document, ensure_ascii=bool(style % 2)), encoding="utf-8")
    return Coco(root=str(root))


def write_yolo(root: Path, entries: list[Entry], style: int) -> Reader:
    kinds = numbered(entries)
    (root / "labels").mkdir()
    for entry in entries:
        left, top, right, bottom = np.array(entry.box) / (*SIZE, *SIZE)
        shares = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        number = (f"{kinds[clean_class_name(entry.name)]}", f"{kinds[clean_class_name(entry.name)]}.0")[style % 2]
        text = (" ", "\t", ",")[style % 3].join([number, *(f"{share:.8f}" for share in shares)])
        (root / "labels" / f"{entry.stem}.txt").write_text(text + ("\r\n" if style % 2 else ""), encoding="utf-8")
    names = "\n".join(f"  {number}: {json.dumps(name, ensure_ascii=False)}" for name, number in kinds.items())
    (root / "data.yaml").write_text(f"train: images\nnames:\n{names}\n", encoding="utf-8")
    return Yolo(root=str(root))


def write_voc(root: Path, entries: list[Entry], style: int) -> Reader:
    (root / "annotations").mkdir()
    for entry in entries:
        left, top, right, bottom = entry.box
        sides = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items())
        text = (
            f"<annotation><size><width>40</width><height>20</height></size><object><name>{escape(entry.name)}</name>"
            f"<bndbox>{corners}</bndbox></object></annotation>"
        )
        encoding = ("utf-8", "utf-8-sig", "utf-16")[style % 3]
        (root / "annotations" / f"{entry.stem}.xml").write_text(text, encoding=encoding)
    return Voc(root=str(root))


def write_table(root: Path, entries: list[Entry], style: int) -> Reader:
    with (root / "table.csv").open("w", newline="", encoding=("utf-8", "utf-8-sig")[style % 2]) as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "xmin", "ymin", "xmax", "ymax"])
        rows.writerows([f"images/{e.stem}.jpg", clean_class_name(e.name), *e.box] for e in entries)
    return Table(root=str(root), file="table.csv")


WRITERS = {"coco": write_coco, "yolo": write_yolo, "voc": write_voc, "table": write_table}


def read_labels(samples: Samples) -> dict[str, tuple[str | None, list[float] | None]]:
    """Class and box of each image, by its name."""
    classes = samples.labels[LabelTarget].classes
    found: dict[str, tuple[str | None, list[float] | None]] = {}
    for place, name in enumerate(samples.names):
        sample = samples[place]
        number, box = int(sample["label"]), sample["box"].flatten().round(decimals=3).tolist()
        found[Path(name).stem] = (classes[number] if number >= 0 else None, None if box[0] != box[0] else box)
    return found


def read_numbers(entries: list[Entry]) -> dict[str, str]:
    """The class of each word in a table: 1.0 is 1 where all words are whole numbers, as spreadsheets write them."""
    words = {entry.name: clean_class_name(entry.name) for entry in entries}
    numbers = all(word.replace(".", "").isdecimal() for word in words.values())
    return {name: word.removesuffix(".0") if numbers else word for name, word in words.items()}


def check_is_read(writer: str, entries: list[Entry], style: int) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for entry in entries:
            write_image(root / "images" / f"{entry.stem}.jpg", SIZE)
        samples = WRITERS[writer](root, entries, style).read()
        names = read_numbers(entries) if writer == "table" else {e.name: clean_class_name(e.name) for e in entries}
        expected = {e.stem: (names[e.name], list(map(float, e.box))) for e in entries}
        found = read_labels(samples)
        listed = {Path(issue.name).stem for issue in samples.issues}
        assert {stem for stem in expected if found.get(stem) != expected[stem]} <= listed, (expected, found)
        assert len(listed & set(expected)) == 0 or found != expected


FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
MANY = settings(FEW, max_examples=400)


@pytest.mark.parametrize("writer", WRITERS)
@FEW
@given(entries=draw_entries(), style=st.integers(0, 5))
def test_what_was_written_is_read(writer: str, entries: list[Entry], style: int) -> None:
    check_is_read(writer, entries, style)


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@MANY
@given(entries=draw_entries(), style=st.integers(0, 5))
def test_what_was_written_is_read_of_many(writer: str, entries: list[Entry], style: int) -> None:
    check_is_read(writer, entries, style)


@FEW
@given(entries=draw_entries())
def test_masks_are_read_pixel_by_pixel(entries: list[Entry]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        expected = {}
        for entry in entries:
            left, top, right, bottom = entry.box
            values = np.zeros((SIZE[1], SIZE[0]), np.uint8)
            values[top:bottom, left:right] = 1
            write_image(root / "images" / f"{entry.stem}.png", SIZE)
            write_mask(root / "masks" / f"{entry.stem}.png", values)
            expected[entry.stem] = values
        samples = Masks(root=str(root), images="images", masks="masks", values={"background": 0, "pet": 1}).read()
        for place, name in enumerate(samples.names):
            assert (samples[place]["mask"].numpy() == expected[Path(name).stem]).all()
