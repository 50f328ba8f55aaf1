"""Pascal VOC's xml files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Voc
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

CAT = ("cat", 1, 1, 10, 8)


def xml(*objects: tuple[object, ...]) -> str:
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>"
        for name, a, b, c, d in objects
    )
    return f"<annotation><filename>x</filename>{boxes}</annotation>"


def make(
    root: Path, files: dict[str, str | bytes | None], images: str = "JPEGImages", xmls: str = "Annotations"
) -> Voc:
    (root / xmls).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_image(root / images / f"{name}.jpg")
        if text is not None:
            (root / xmls / f"{name}.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Voc(root=str(root))


@pytest.mark.parametrize(
    ("images", "xmls"),
    [
        ("JPEGImages", "Annotations"),
        ("images", "annots"),
        ("images", "annotations/xmls"),
        ("VOCdevkit/VOC2007/JPEGImages", "VOCdevkit/VOC2007/Annotations"),
        (".", "."),
    ],
)
def test_layouts(tmp_path: Path, images: str, xmls: str) -> None:
    samples = make(tmp_path, {"a": xml(CAT), "b": xml(("dog", 3, 2, 12, 12))}, images, xmls).read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert [int(samples[i]["label"]) for i in (0, 1)] == [0, 1]
    assert samples[1]["box"].tolist() == [[2, 1, 12, 12]]  # VOC counts from 1, and the last pixel is inside


def test_splits_in_folders_and_in_lists(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        make(tmp_path / "folders" / split, {split: xml(CAT)}, ".", ".")
    assert Voc(root=str(tmp_path / "folders")).read().published.tolist() == ["train", "val"]
    data = make(tmp_path / "lists", {name: xml(CAT) for name in "abcd"})
    lists = tmp_path / "lists" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb  1\n")
    (lists / "test.txt").write_text("c\nb\ngone\n/\n.\n")
    (lists / "cat_train.txt").write_text("d 1\n")
    samples = data.read()
    assert dict(zip(samples.names, samples.published.tolist(), strict=True)) == {
        "JPEGImages/a.jpg": "train",
        "JPEGImages/b.jpg": "test",
        "JPEGImages/c.jpg": "test",
    }
    found = treatments(data)
    assert found["listed image is not there: skipped"] == ["gone", "/", "."]


TWO = xml(("dog", 1, 1, 3, 3), ("cat", 1, 1, 20, 12))


@pytest.mark.parametrize(
    ("rule", "label", "box"),
    [("largest", "cat", [0, 0, 20, 12]), ("first", "dog", [0, 0, 3, 3]), ("single", None, None)],
)
def test_one_of_several_objects_is_meant(tmp_path: Path, rule: str, label: str | None, box: list[int] | None) -> None:
    data = make(tmp_path, {"a": TWO, "b": xml(CAT), "c": xml(("dog", 1, 1, 9, 9))})
    data = replace(data, objects=rule)
    samples = data.read()
    sample = samples[0]
    assert (samples.labels[LabelTarget].classes[int(sample["label"])] if sample["label"] >= 0 else None) == label
    assert (sample["box"][0].tolist() if not sample["box"].isnan().any() else None) == box
    assert ("several objects: unlabelled" in treatments(data)) == (rule == "single")


def test_classes_that_nobody_asked_for_are_no_objects(tmp_path: Path) -> None:
    data = make(tmp_path, {"a": TWO, "b": xml(CAT)})
    data = replace(data, classes=["dog"])
    samples = data.read()
    assert samples.labelled()["box"].tolist() == [True, False]
    assert samples[0]["box"].tolist() == [[0, 0, 3, 3]]
    data = replace(data, classes=["dgo"])
    with pytest.raises(CandelabraError, match=r"data\.classes names dgo; these data have dog, cat"):
        data.read()


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><annotation><filename>&b;</filename></annotation>'


def test_odd_files_are_repaired_or_not_labelled(tmp_path: Path) -> None:
    data = make(
        tmp_path,
        {
            "cut": xml(CAT)[:60],
            "empty": "",
            "entities": LAUGHS,
            "flat": xml(("cat", 4, 4, 4, 4)),
            "good": xml(CAT),
            "inverted": xml(("cat", 10, 8, 1, 1)),
            "latin": "<annotation><object><name>caf\u00e9</name></object></annotation>".encode("latin-1"),
            "nameless": xml(("", 1, 2, 3, 4)),
            "none": None,
            "nothing": xml(),
            "twice": xml(CAT, CAT),
            "words": xml(("cat", "one", 2, 3, 4)),
            "infinite": xml(("cat", "1e999", 2, 3, 4)),
        },
    )
    (tmp_path / "Annotations" / "alone.xml").write_text(xml(CAT))
    samples = data.read()
    boxed = {Path(name).stem for name, there in zip(samples.names, samples.labelled()["box"], strict=True) if there}
    assert boxed == {"good", "inverted", "twice"}
    assert samples[samples.names.index("JPEGImages/inverted.jpg")]["box"].tolist() == [[0, 0, 10, 8]]
    short = {what: sorted(Path(name).stem for name in names) for what, names in treatments(data).items()}
    assert short == {
        "malformed xml: unlabelled": ["cut", "empty", "entities"],
        "object without a name: unlabelled": ["nameless"],
        "malformed box: unlabelled": ["words"],
        "object without a box: unlabelled": ["latin", "words"],
        "label file without an object: used": ["nothing"],
        "label file without an image: skipped": ["alone"],
        "image without a label file: unlabelled": ["none"],
        "object is there twice: repaired": ["twice"],
        "text is not UTF-8: used": ["latin"],
        "box is inverted: repaired": ["inverted"],
        "box has no area: unlabelled": ["flat"],
        "box lacks a side: unlabelled": ["infinite"],
    }


def test_a_bad_object_is_lost_alone(tmp_path: Path) -> None:
    data = make(
        tmp_path, {"a": xml(("", 1, 1, 20, 12), ("dog", "x", 2, 3, 4), CAT), "b": xml(("cat", "1,0", 1, "10", 8))}
    )
    samples = data.read()
    assert samples.labels[LabelTarget].classes == ("cat",)
    assert [samples[i]["box"].tolist() for i in (0, 1)] == [[[0, 0, 10, 8]]] * 2


SHAPES = {  # as Roboflow, LabelMe and roLabelImg write objects without <bndbox>
    "roboflow": "<polygon><x1>3</x1><y1>2</y1><x2>9</x2><y2>2</y2><x3>5</x3><y3>8</y3></polygon>",
    "labelme": "<polygon><pt><x>3</x><y>2</y></pt><pt><x>9</x><y>2</y></pt><pt><x>5</x><y>8</y></pt></polygon>",
    "rotated": "<robndbox><cx>6</cx><cy>5</cy><w>6</w><h>6</h><angle>1.5707963</angle></robndbox>",
    "broken": "<polygon><x1>3</x1></polygon>",
}


def test_an_outline_without_a_box_has_the_box_about_it(tmp_path: Path) -> None:
    texts = {
        name: f"<annotation><object><name>cat</name>{shape}</object></annotation>" for name, shape in SHAPES.items()
    }
    data = make(tmp_path, texts)
    samples = data.read()
    boxes = {Path(name).stem: samples[index]["box"][0].tolist() for index, name in enumerate(samples.names)}
    for name in ("roboflow", "labelme", "rotated"):
        assert boxes[name] == pytest.approx([2, 1, 9, 8], abs=1e-3)
    found = treatments(data)
    assert found["malformed outline: unlabelled"] == ["JPEGImages/broken.jpg"]
    assert len(found["object with an outline or a rotated box alone: the box about it is its box: repaired"]) == 3


@pytest.mark.parametrize(
    ("image", "label", "filename"),
    [
        ("cafe\u0301", "caf\u00e9", "x"),
        ("caf\u00e9 1", "caf%C3%A9%201", "x"),
        ("IMG_1", "img_1", "x"),
        ("IMG_1", "7", "IMG_1.jpg"),
        ("IMG_1", "7", "C:\\photos\\img_1.JPG"),
    ],
)
def test_xml_files_belong_to_images_of_another_spelling(tmp_path: Path, image: str, label: str, filename: str) -> None:
    data = make(tmp_path, {image: None, "b": xml(CAT)})
    (tmp_path / "Annotations" / f"{label}.xml").write_text(xml(("dog", 1, 1, 9, 9)).replace(">x<", f">{filename}<"))
    samples = data.read()
    assert dict(zip(samples.names, samples.strata.tolist(), strict=True)) == {
        f"JPEGImages/{image}.jpg": 1,
        "JPEGImages/b.jpg": 0,
    }
    assert ("xml file of another name than its image, which <filename> gives: used" in treatments(data)) == (
        label == "7"
    )


def test_a_filename_that_contradicts_the_name_of_the_xml_is_listed(tmp_path: Path) -> None:
    data = make(tmp_path, {"a": xml(CAT).replace(">x<", ">b.jpg<"), "b": xml(("dog", 1, 1, 9, 9))})
    assert data.read().strata.tolist() == [0, 1]
    what = "<filename> names another image than the name of the xml file, which is gone by: used"
    assert treatments(data)[what] == ["JPEGImages/a.jpg"]


SIZED = "<annotation><size><width>{}</width><height>{}</height></size>"


@pytest.mark.parametrize(
    ("stated", "box", "found"),
    [
        ((48, 32), (9, 5, 24, 16), [4, 2, 12, 8]),
        ((24, 16), (5, 3, 12, 8), [4, 2, 12, 8]),
        ((0, 0), (5, 3, 12, 8), [4, 2, 12, 8]),
        ((24, 16), (0.25, 0.25, 0.5, 0.5), [6, 4, 12, 8]),
        ((24, 24), (5, 3, 12, 8), None),
    ],
)
def test_boxes_are_brought_into_the_pixels_of_the_file(
    tmp_path: Path, stated: tuple[int, int], box: tuple[float, ...], found: list[float] | None
) -> None:
    data = make(tmp_path, {"a": xml(("cat", *box)).replace("<annotation>", SIZED.format(*stated))})
    samples = data.read()
    assert samples.labelled()["label"][0]
    assert (samples[0]["box"].flatten().tolist() if "box" in samples.labelled() else None) == found


@pytest.mark.parametrize("folders", ["{}/images {}/annotations", "{0} {0}", "images/{} annotations/{}"])
def test_splits_are_told_by_folders(tmp_path: Path, folders: str) -> None:
    for split in ("train", "valid", "test"):
        images, xmls = folders.format(split, split).split()
        make(tmp_path, {split: xml(CAT)}, images, xmls)
    samples = Voc(root=str(tmp_path)).read()
    assert {Path(n).stem: s for n, s in zip(samples.names, samples.published.tolist(), strict=True)} == {
        "train": "train",
        "valid": "val",
        "test": "test",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "has no folders of images and of xml files"),
        ({"images": "pictures"}, r"data\.images is not a folder"),
        ({"objects": "biggest"}, r"data\.objects=biggest is not known"),
    ],
)
def test_folders_without_xml_are_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    if "objects" in options:
        make(tmp_path, {"a": xml(CAT)})
    with pytest.raises(CandelabraError, match=words):
        Voc(root=str(tmp_path), **options).read()  # type: ignore[arg-type]


def counts(data: Voc) -> dict[str, int]:
    samples = data.read()
    splits = {split: int((samples.published == split).sum()) for split in ("train", "val", "test", "")}
    known = {target: int(rows.sum()) for target, rows in samples.labelled().items()}
    return {split: count for split, count in splits.items() if count} | known


@pytest.mark.real
def test_real_raccoons(real: Path) -> None:
    root = str(real / "raccoon")
    assert counts(Voc(root=root)) == {"train": 160, "test": 40, "label": 200, "box": 200, "boxes": 200}
    assert counts(Voc(root=root, objects="single"))["box"] == 184
    samples = Voc(root=root).read()
    assert samples[samples.names.index("images/raccoon-1.jpg")]["box"].tolist() == [[49, 53, 320, 250]]


@pytest.mark.real
def test_real_kangaroos(real: Path) -> None:
    root = str(real / "kangaroo")
    assert counts(Voc(root=root)) == {"": 164, "label": 164, "box": 164, "boxes": 164}
    assert counts(Voc(root=root, objects="single"))["box"] == 107


@pytest.mark.real
def test_real_blood_cells(real: Path) -> None:
    data = Voc(root=str(real / "bccd"))
    assert counts(data) == {"train": 205, "val": 87, "test": 72, "label": 364, "box": 364, "boxes": 364}
    assert counts(Voc(root=str(real / "bccd"), objects="single"))["box"] == 6
    odd = treatments(data)["box has no area: unlabelled"]
    assert sorted(Path(name).stem for name in odd) == ["BloodImage_00338", "BloodImage_00343"]


@pytest.mark.real
def test_real_pets_by_their_xml(real: Path) -> None:
    data = Voc(root=str(real / "pets_sample" / "oxford-iiit-pet"))
    assert counts(data) == {"train": 300, "test": 298, "label": 296, "box": 296, "boxes": 296}
    assert data.read().labels[LabelTarget].classes == ("cat", "dog")
    assert np.isin(data.read().strata, (-1, 0, 1)).all()
