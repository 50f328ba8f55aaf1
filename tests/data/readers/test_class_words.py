"""One name of a class is one class, however its blanks and letters are written."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Folder, Masks, Table, Voc
from candelabra.data.decoding.mask_colours import read_colours
from candelabra.data.readers.mask_values import name_mask_values, number_mask_classes
from candelabra.data.shards.hub_columns import add_class_names
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

NAME = "caf\u00e9 noir"
SPELT = (NAME, unicodedata.normalize("NFD", NAME), "caf\u00e9  noir", "caf\u00e9\u00a0noir")


def test_words_of_tables_are_cleaned_on_both_sides(tmp_path: Path) -> None:
    rows = [f"{number}.png,{word}" for number, word in enumerate([*SPELT, "tea"])]
    for number in range(len(rows)):
        write_image(tmp_path / f"{number}.png")
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    samples = Table(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == (NAME, "tea")
    assert samples.strata.tolist() == [0, 0, 0, 0, 1]
    (tmp_path / "labels.json").write_text(json.dumps({"classes": ["tea", SPELT[1]]}))
    assert Table(root=str(tmp_path)).read().strata.tolist() == [1, 1, 1, 1, 0]
    (tmp_path / "labels.json").write_text(json.dumps({"classes": SPELT[:2]}))
    with pytest.raises(CandelabraError, match="twice"):
        Table(root=str(tmp_path)).read()


def test_folders_of_one_class_are_told_and_their_images_found(tmp_path: Path) -> None:
    for number, word in enumerate([*SPELT, "tea"]):
        write_image(tmp_path / word / f"{number}.png", colour=(number, 0, 0))
    reader = Folder(root=str(tmp_path))
    samples = reader.read()
    assert samples.labels[LabelTarget].classes == (NAME, "tea")
    assert not samples.verify()
    assert sorted(np.bincount(samples.strata).tolist()) == [1, 4]
    what = "folders whose names differ in spaces or in the form of letters, they are one class: repaired"
    assert list(treatments(reader)) == [what]


def test_records_and_features_are_cleaned() -> None:
    cells = [*SPELT, "tea", ["tea"]]
    column = LabelTarget.read_records(cells, list("abcdef"), None, [])
    assert column.target == LabelTarget((NAME, "tea"), multilabel=True)
    described = LabelTarget.from_plain({"classes": ["tea", SPELT[1]]}, "labels.json")
    assert LabelTarget.read_records(cells[:5], list("abcde"), described, []).values.tolist() == [1, 1, 1, 1, 0]

    class Feature:
        names = ("tea", SPELT[1])

    assert add_class_names(Labels(), {"label": Feature}, {"label": "label"}).find(LabelTarget).classes == ("tea", NAME)


def test_classes_that_are_typed_are_cleaned(tmp_path: Path) -> None:
    for kind, name in (("a", SPELT[1]), ("b", "tea")):
        write_image(tmp_path / "JPEGImages" / f"{kind}.jpg", (40, 20))
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        text = f"<annotation><filename>{kind}.jpg</filename><object><name>{name}</name>{box}</object></annotation>"
        (tmp_path / "Annotations" / f"{kind}.xml").write_text(text, encoding="utf-8")
    read = Voc(root=str(tmp_path), classes=[SPELT[1]]).read()
    assert read.labels[LabelTarget].classes == (NAME,)
    assert name_mask_values({SPELT[1]: 1}, None).classes == [NAME]
    assert number_mask_classes(["tea", SPELT[2]], (), tmp_path, [], []).classes == ["tea", NAME]
    assert list(read_colours({SPELT[3]: [1, 2, 3]}, tmp_path)) == [NAME]
    with pytest.raises(CandelabraError, match="names a class twice"):
        name_mask_values(dict.fromkeys(SPELT[:2], 1), None)
    with pytest.raises(CandelabraError, match="names a class twice"):
        read_colours({SPELT[0]: [1, 2, 3], SPELT[1]: [1, 2, 4]}, tmp_path)


def test_a_colour_is_ignored_by_a_name_that_is_written_otherwise(tmp_path: Path) -> None:
    for number in range(2):
        write_image(tmp_path / "images" / f"{number}.png")
        write_image(tmp_path / "masks" / f"{number}.png", colour=(number, 1, 1))
    colours = {SPELT[0]: [0, 1, 1], "tea": [1, 1, 1]}
    reader = Masks(root=str(tmp_path), colours=colours, ignore=[SPELT[1]], images="images", masks="masks")
    assert [len(target.classes) for target in reader.read().labels.values()] == [1]
