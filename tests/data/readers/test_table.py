"""Tables of labels."""

import csv
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import DataModule, Table
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import batch_of, treatments, write_image, write_mask


def table_rows() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i in range(30):
        full = {"image": f"{i}.png", "label": "ab"[i % 2], "xmin": 2, "ymin": 3, "xmax": 10, "ymax": 12}
        full |= {"left_x": 4, "left_y": 5, "right_x": 20, "right_y": 5, "mask": f"masks/{i}.png"}
        empty = {0: (), 1: ("label",), 2: ("xmin",), 3: ("left_x",), 4: ("mask",)}[i % 5]
        rows.append({key: ("" if key in empty else value) for key, value in full.items()})
    return rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_may_leave_any_cell_empty(tmp_path: Path, suffix: str) -> None:
    import pandas

    for i in range(30):
        write_image(tmp_path / "images" / f"{i}.png")
        write_mask(tmp_path / "masks" / f"{i}.png", np.ones((16, 24)))
    rows = table_rows()
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if suffix == "parquet":
        pandas.read_csv(tmp_path / "t.csv").to_parquet(tmp_path / "t.parquet")
    data = DataModule(
        Table(
            root=str(tmp_path),
            file=f"t.{suffix}",
            images="images",
            mirror=[["left", "right"]],
            normalizer=["left", "right"],
            mask_classes=["no", "yes"],
        ),
        size=16,
        augment="none",
    )
    assert data.labels.targets == ("label", "box", "keypoints", "mask", "boxes")
    assert data.labels[KeypointsTarget].mirrored == (1, 0)
    samples = data.open()
    assert {k: int(v.sum()) for k, v in samples.labelled().items()} == {
        "label": 24,
        "box": 24,
        "keypoints": 30,
        "mask": 24,
        "boxes": 18,
    }
    assert int(samples[1]["label"]) == -1
    assert samples[2]["box"].isnan().any()
    assert samples[3]["keypoints"].isnan().all(1).tolist() == [True, False]
    assert samples[4]["mask"].unique().tolist() == [255]
    batch_of(data)


def test_several_labels_in_one_cell(tmp_path: Path) -> None:
    for number in range(20):
        write_image(tmp_path / f"{number}.png")
    cells = ["red|round", "round", "red", ""] * 5
    lines = ["image,label", *(f"{number}.png,{cell}" for number, cell in enumerate(cells))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    samples = DataModule(Table(root=str(tmp_path), file="t.csv", separator="|")).open()
    assert samples.labels[LabelTarget].classes == ("red", "round")
    assert samples[0]["label"].tolist() == [1, 1]
    assert samples[1]["label"].tolist() == [0, 1]
    assert samples[3]["label"].isnan().all()


def write_table(root: Path, text: str, encoding: str = "utf-8", images: int = 8) -> Path:
    for number in range(images):
        write_image(root / f"{number}.png")
    (root / "table.csv").write_bytes(text.encode(encoding))
    return root


def test_columns_of_classes_and_rows_without_one(tmp_path: Path) -> None:
    write_table(tmp_path, "image,cat,dog\n0.png,1,0\n1.png,1,1\n2.png,,1\n3.png,2,0\n4.png,0,0\n")
    data = Table(root=str(tmp_path), columns=["cat", "dog"])
    samples = data.read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert samples.labels[LabelTarget].multilabel
    assert [samples[i]["label"].tolist() for i in (0, 1, 4)] == [[1, 0], [1, 1], [0, 0]]
    assert samples.labelled()["label"].tolist() == [True, True, False, False, True]
    assert treatments(data) == {
        "class is neither 0 nor 1: unlabelled": ["3.png"],
        "partly labelled row: unlabelled": ["2.png"],
    }
    assert [each.detail for each in samples.issues if each.what == "partly labelled row"] == ["no cat"]
    with pytest.raises(CandelabraError, match=r"data\.columns names bird; the table has"):
        Table(root=str(tmp_path), columns=["bird"]).read()


def test_whole_numbers_stay_class_names_beside_empty_cells(tmp_path: Path) -> None:
    write_table(tmp_path, "image,label\n0.png,1\n1.png,\n2.png,07\n")
    assert Table(root=str(tmp_path)).read().labels[LabelTarget].classes == ("07", "1")


def test_one_table_a_split(tmp_path: Path) -> None:
    for split in ("training", "test"):
        (tmp_path / split).mkdir()
        write_table(tmp_path / split, "image,label\n0.png,a\n1.png,b\n")
        (tmp_path / split / "table.csv").rename(tmp_path / f"{split}.csv")
    data = Table(
        root=str(tmp_path),
        file={"train": "training.csv", "test": "test.csv"},
        images={"train": "training", "test": "test"},
    )
    samples = data.read()
    assert samples.names == ["training/0.png", "training/1.png", "test/0.png", "test/1.png"]
    assert samples.published.tolist() == ["train", "train", "test", "test"]
    with pytest.raises(CandelabraError, match=r"data\.file names the split holdout"):
        Table(root=str(tmp_path), file={"holdout": "test.csv"}).read()


def test_left_and_right_swap_in_a_mirror_image_by_name(tmp_path: Path) -> None:
    write_table(tmp_path, "image,left_x,left_y,right_x,right_y,nose_x,nose_y\n0.png,1,2,3,4,5,6\n")
    assert Table(root=str(tmp_path)).read().labels[KeypointsTarget].mirrored == (1, 0, 2)
    assert Table(root=str(tmp_path), mirror=[["left", "nose"]]).read().labels[KeypointsTarget].mirrored == (2, 1, 0)


def test_odd_rows_are_repaired_or_not_labelled(tmp_path: Path) -> None:
    text = (
        "image,label,xmin,ymin,xmax,ymax\n"
        "0.png,caf\u00e9,1,1,9,9\n"
        "1.png,b,9,9,1,1\n"  # inverted
        "2.png,b,3,3,3,9\n"  # no area
        "3.png,b,1,1,,9\n"  # lacks a side
        "4.png,b,x,1,9,9\n"  # no number
        "5.png,b,1,1,9,9\n5.png,b,1,1,9,9\n"  # twice
        "6.png,a,1,1,9,9\n6.png,b,2,1,9,9\n"  # contradictory
        "7.png,b,1,1,9,9,7\n"  # too many cells
    )
    data = Table(root=str(write_table(tmp_path, text, "latin-1")))
    samples = data.read()
    assert samples.labels[LabelTarget].classes == ("b", "caf\u00e9")
    assert len(samples) == 8
    known = {target: rows.tolist() for target, rows in samples.labelled().items()}
    assert known["label"] == [True, True, True, True, True, True, False, False]
    assert known["box"] == [True, True, False, False, False, True, False, False]
    assert samples[1]["box"].tolist() == [[1, 1, 9, 9]]
    assert treatments(data) == {
        "text is not UTF-8: used": ["table.csv"],
        "malformed line of a table: unlabelled": ["7.png"],
        "row is there twice: repaired": ["5.png"],
        "rows contradict each other: unlabelled": ["6.png", "6.png"],
        "cell is no number: unlabelled": ["4.png"],
        "box is inverted: repaired": ["1.png"],
        "box has no area: unlabelled": ["2.png"],
        "box lacks a side: unlabelled": ["3.png", "4.png"],
    }


def test_commas_at_the_end_of_lines_do_no_harm(tmp_path: Path) -> None:
    write_table(tmp_path, "image,label\n0.png,a,\n1.png,b,\n")
    data = Table(root=str(tmp_path))
    assert data.read().labels[LabelTarget].classes == ("a", "b")
    assert treatments(data) == {}


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("image,label\nnowhere.jpg,a\n", {}, r"nowhere.jpg \(No such file"),
        ("image,label\n", {}, "has no rows"),
        ("", {}, "cannot be read"),
        ("image,label\n0.png,a\n", {"file": "gone.csv"}, r"data\.file="),
        ("image,split\n0.png,holdout\n", {}, "'holdout' is not known"),
        ("image,label\n0.png,a\n", {"mirror": [["a", "b"]]}, r"data\.mirror"),
        (
            'image,price\n0.png,"1,137.50"\n1.png,\n',
            {"values": ["price"]},
            r"data\.values names price, .* '1,137\.50'; all",
        ),
        ("image,cat\n0.png,yes\n1.png,no\n", {"columns": ["cat"]}, r"data\.columns names cat, .* no cell is a number"),
        ("image,label\n0.png,a\n", {"columns": ["label"], "separator": "|"}, r"data\.columns and data\.separator"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(
    tmp_path: Path, text: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(CandelabraError, match=words):
        DataModule(Table(root=str(write_table(tmp_path, text)), **options)).open()  # type: ignore[arg-type]


@pytest.mark.real
def test_real_faces_by_person(real: Path, tiny: object) -> None:
    root = real / "p1_facial_keypoints"
    data = DataModule(
        Table(
            root=str(root),
            file="data/training_frames_keypoints.csv",
            images="data/training",
            points=68,
            splits="person_disjoint_split.csv",
            normalizer=["36", "45"],
        ),
        size=64,
    )
    samples = data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 2406, "val": 516, "test": 540}
    people = {
        split: {samples.names[i].split("/")[-1].rsplit("_", 1)[0] for i in part} for split, part in data.parts.items()
    }
    assert not people["train"] & people["test"]
    eyes = samples[0]["keypoints"][[36, 45]]
    assert eyes[0, 0] < eyes[1, 0]


@pytest.mark.real
def test_real_faces_as_published(real: Path) -> None:
    data = Table(
        root=str(real / "p1_facial_keypoints" / "data"),
        file={"train": "training_frames_keypoints.csv", "test": "test_frames_keypoints.csv"},
        images={"train": "training", "test": "test"},
        points=68,
    )
    samples = data.read()
    assert (samples.published == "train").sum() == 3462
    assert (samples.published == "test").sum() == 770
    assert samples.labelled()["keypoints"].all()


@pytest.mark.real
def test_real_faces69(real: Path) -> None:
    samples = Table(root=str(real / "faces69"), file="faces/face_landmarks.csv", images="faces").read()
    assert len(samples) == 69
    assert len(samples.labels[KeypointsTarget].names) == 68
