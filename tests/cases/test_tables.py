"""Tables as spreadsheets, tools and people of other countries write them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Table
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.heads import require_target
from tests.data.files import treatments, write_image

ROWS = [("a.png", "cat"), ("b.png", "dog"), ("c.png", "cat")]
CAT_AND_DOG = [("a.png", "cat"), ("b.png", "dog"), ("c.png", "cat")]


def make_table(root: Path, text: str | bytes, file: str = "table.csv", images: str = "abcd") -> Table:
    for name in images:
        write_image(root / f"{name}.png", (100, 60))
    (root / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(root=str(root), file=file)


def words_of(samples: Samples) -> list[tuple[str, str]]:
    """Name and label of each sample."""
    target = samples.labels[LabelTarget]
    values = [samples[index]["label"] for index in range(len(samples))]
    return [(name, target.caption(value)) for name, value in zip(samples.names, values, strict=True)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("table.csv", "image;label\na.png;cat\nb.png;dog\nc.png;cat\n"),
        ("table.csv", "\ufeffimage;label\r\na.png;cat\r\nb.png;dog\r\nc.png;cat\r\n"),
        ("table.csv", "sep=;\nimage;label\na.png;cat\nb.png;dog\nc.png;cat\n"),
        ("table.csv", '"sep=|"\nimage|label\na.png|cat\nb.png|dog\nc.png|cat\n'),
        ("table.csv", "\n\nimage,label\na.png,cat\n\nb.png,dog\nc.png,cat\n\n"),
        ("table.tsv", "image\tlabel\na.png\tcat\nb.png\tdog\nc.png\tcat\n"),
        ("table.csv", "image, label\na.png, cat\nb.png, dog \nc.png, cat\n"),
        ("table.csv", 'image, label\na.png, "cat"\n"b.png", dog\nc.png, cat\n'),
        ("table.csv", " Image , LABEL\na.png,cat\nb.png,dog\nc.png,cat\n"),
        ("table.csv", "label,filename\ncat,a.png\ndog,b.png\ncat,c.png\n"),
        ("table.csv", ",filename,class\n0,a.png,cat\n1,b.png,dog\n2,c.png,cat\n"),
        ("table.csv", "id,File Name,Class Name\n7,a.png,cat\n8,b.png,dog\n9,c.png,cat\n"),
        ("table.csv", "image,label\n/home/x/a.png,cat\nC:\\x\\b.png,dog\nC.PNG,cat\n"),
        ("table.csv", "image_id,label\na,cat\nb,dog\nc,cat\n"),
        ("table.csv", "photo,label\na.png,cat\nb.png,dog\nc.png,cat\nd.png,  \n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_table_is_read_however_it_is_written(tmp_path: Path, file: str, text: str, encoding: str) -> None:
    table = make_table(tmp_path, text.encode(encoding), file)
    assert words_of(table.read())[:3] == CAT_AND_DOG
    assert words_of(table.read())[3:] in ([], [("d.png", "")])


@pytest.mark.parametrize(
    "word", ["NA", "null", "None", "nan", "N/A", "#N/A", "-inf", "True", "007", "1e3", "1_000", "yes"]
)
def test_every_word_is_a_class(tmp_path: Path, word: str) -> None:
    text = f"image,label\na.png,{word}\nb.png,dog\nc.png,\nd.png,   \n"
    assert words_of(make_table(tmp_path, text).read()) == [
        ("a.png", word),
        ("b.png", "dog"),
        ("c.png", ""),
        ("d.png", ""),
    ]
    table = make_table(tmp_path, f"image,label\na.png,{word}|dog\nb.png, dog |\nc.png,|\nd.png,\n")
    samples = Table(root=table.root, separator="|").read()
    assert words_of(samples) == [
        ("a.png", ", ".join(sorted((word, "dog")))),
        ("b.png", "dog"),
        ("c.png", ""),
        ("d.png", ""),
    ]
    assert samples.labelled()["label"].tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("1", "1.0", "2"), ("1", "2")),
        (("1.0", "2.0", ""), ("1", "2")),
        (("01", "1", "2"), ("01", "1", "2")),
        (("1.5", "1", "2"), ("1", "1.5", "2")),
        (("1.0", "v2", "2"), ("1.0", "2", "v2")),  # versions, say
    ],
)
def test_numbers_as_classes(tmp_path: Path, cells: tuple[str, ...], classes: tuple[str, ...]) -> None:
    lines = [f"{name}.png,{cell}" for name, cell in zip("abc", cells, strict=True)]
    assert make_table(tmp_path, "\n".join(["image,label", *lines])).read().labels[LabelTarget].classes == classes


def test_numbers_as_names_of_files(tmp_path: Path) -> None:
    for name in ("0001", "0002"):
        write_image(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.png").rename(tmp_path / name)
    make_table(tmp_path, "image,label\n0001,x\n0002,y\n", images="")
    (tmp_path / "s.csv").write_text("image;split\n0001;Train\n0002; test\n")
    samples = Table(root=str(tmp_path), splits="s.csv").read()
    assert words_of(samples) == [("0001", "x"), ("0002", "y")]
    assert samples.published.tolist() == ["train", "test"]
    (tmp_path / "s2.csv").write_text("image;part\n0001;Train\n")
    with pytest.raises(CandelabraError, match=r"s2\.csv has no column split; it has image, part"):
        Table(root=str(tmp_path), splits="s2.csv").read()


@pytest.mark.parametrize(
    "text",
    [
        "image, xmin, ymin, xmax, ymax, nose_x, nose_y\na.png, 20.5, 10, 60, 40, 30, 20\n",
        "Image;XMin;YMin;XMax;YMax;nose_X;nose_Y\na.png;20,5;10;60;40;30;20\n",
        "path,x1,y1,x2,y2,nose x,nose y\na.png,20.5,10,60,40,30,20\n",
        "image,xmin,ymin,xmax,ymax,nose_x,nose_y\na.png,0.205,0.16666667,0.6,0.66666667,0.3,0.33333333\n",
    ],
)
def test_boxes_and_points_however_they_are_written(tmp_path: Path, text: str) -> None:
    samples = make_table(tmp_path, text).read()
    assert samples[0]["box"][0].tolist() == pytest.approx([20.5, 10, 60, 40], abs=1e-3)
    assert samples[0]["keypoints"].tolist() == [pytest.approx([30, 20], abs=1e-3)]
    assert samples.labels[KeypointsTarget].names == ("nose",)


def test_shares_are_scaled_and_listed_and_pixels_are_not(tmp_path: Path) -> None:
    table = make_table(tmp_path, "image,nose_x,nose_y\na.png,0.5,0.5\nb.png,,\nc.png,1,0\n")
    samples = table.read()
    assert np.asarray(samples[2]["keypoints"]).tolist() == [[100, 0]]
    assert treatments(table) == {"points as shares of the image, scaled: repaired": ["a.png"]}
    table = make_table(tmp_path, "image,nose_x,nose_y\na.png,1,1\nb.png,,\nc.png,0,0\n")
    assert np.asarray(table.read()[0]["keypoints"]).tolist() == [[1, 1]]
    assert treatments(table) == {}


def test_one_place_outside_of_its_image_makes_no_pixels_of_shares(tmp_path: Path) -> None:
    rows = [f"{name}.png,0.25,0.25,0.5,0.5,0.5,0.5\n" for name in "abcde"]
    odd = ["f.png,-0.01,0.25,0.5,523,-0.02,0.5\n", "g.png,,,,,-1,-1\n"]
    header = "image,xmin,ymin,xmax,ymax,nose_x,nose_y\n"
    table = make_table(tmp_path, header + "".join([*rows, *odd]), images="abcdefg")
    samples = table.read()
    assert samples[0]["box"].tolist() == [[25, 15, 50, 30]]
    assert samples[5]["box"].tolist() == [[0, 15, 50, 60]]
    points = [samples[row]["keypoints"].flatten().tolist() for row in range(7)]
    assert points[:5] == [[50, 30]] * 5
    assert np.isnan(points[5:]).all()


def test_a_row_an_object_gives_the_largest(tmp_path: Path) -> None:
    text = (
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        "a.png,100,60,cat,0,0,9,9\na.png,100,60,dog,20,10,60,40\na.png,100,60,dog,20,10,60,40\n"
        "b.png,100,60,cat,1,1,5,5\n"
    )
    table = make_table(tmp_path, text)
    samples = table.read()
    assert words_of(samples) == [("a.png", "dog"), ("b.png", "cat")]
    assert samples[0]["box"].tolist() == [[20, 10, 60, 40]]
    several = "several objects, of which one gives label, box and points: used"
    assert treatments(table) == {several: ["a.png"]}
    assert words_of(Table(root=table.root, objects="first").read())[0] == ("a.png", "cat")
    assert words_of(Table(root=table.root, objects="single").read()) == [("a.png", ""), ("b.png", "cat")]
    with pytest.raises(CandelabraError, match=r"data\.objects=all is not known"):
        Table(root=table.root, objects="all").read()  # type: ignore[arg-type]


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    issues = make_table(tmp_path, "image,label,age,xmin\na.png,cat,3,4\n").read().issues
    assert [(each.what, each.detail) for each in issues] == [("columns of the table that are not read", "age, xmin")]


def test_numbers_without_names_are_points_where_data_points_says_so(tmp_path: Path) -> None:
    header, row = (",".join(f"{cell}{number}" for number in range(136)) for cell in ("f", ""))
    table = make_table(tmp_path, f"image,{header}\na.png,{row}\n")
    samples = table.read()
    (issue,) = samples.issues
    assert issue.detail.startswith(
        "f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 126 more; if the last 136 are x, y, x, y"
    )
    assert issue.detail.endswith("data.points=68 reads them")
    with pytest.raises(CandelabraError, match=r"but these label nothing; choose .* needs data\.points=<number>"):
        require_target(samples.labels, KeypointsTarget)
    told = replace(table, points=68).read().labels[KeypointsTarget].mirror_problem
    assert told.startswith("the mirror image of 0, 1, 2, 3, 4, 5 and 62 more is not known")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("table.csv", "image,label,label\na.png,cat,z\n", "several columns called label"),
        ("table.xlsx", b"PK\x03\x04 and more", "CSV and Parquet are read"),
        ("table.csv", b"PK\x03\x04 and more", "CSV and Parquet are read"),
        ("table.csv", "Image,left_x,left_y\n" + "238 236 " * 400 + ",1,2\n", "pixels"),
        ("table.csv", "photo,label\nx.png,cat\ny.png,cat\n", r"its column photo names x\.png, \.\.\. .*4 \.png"),
        ("table.csv", "", "is empty"),
        ("table.csv", "\n\n", "is empty"),
        ("table.csv", "image,label\n", "has no rows"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_is_there(
    tmp_path: Path, file: str, text: str | bytes, words: str
) -> None:
    with pytest.raises(CandelabraError, match=words):
        make_table(tmp_path, text, file).read()


def test_files_of_one_name_are_named(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_image(tmp_path / folder / "same.png")
    table = make_table(tmp_path, "image,label\nsame.png,cat\ntwo/same.png,dog\na.png,dog\n")
    (issue,) = table.read().issues
    assert (issue.what, issue.detail) == ("listed image may be several files", "one/same.png, two/same.png")
    assert words_of(Table(root=table.root, images="one", file="table.csv").read())[:1] == [("one/same.png", "cat")]
