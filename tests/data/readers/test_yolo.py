"""YOLO's label files."""

from pathlib import Path

import pytest

from candelabra.data import Auto, Yolo
from candelabra.data.targets import KeypointsTarget, LabelTarget, MaskTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

DETECT = "0 0.5 0.5 0.5 0.5\n"
PLAIN = "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"


def make(root: Path, labels: dict[str, str | bytes | None], yaml: str | None = PLAIN, **options: object) -> Yolo:
    """Labels by path below `labels`, such as train/a; null for an image without a file."""
    for name, text in labels.items():
        write_image(root / "images" / f"{name}.jpg", (40, 20))
        if text is not None:
            path = root / "labels" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if yaml is not None:
        (root / "data.yaml").write_text(yaml)
    return Yolo(root=str(root), **options)  # type: ignore[arg-type]


def test_detection(tmp_path: Path) -> None:
    samples = make(tmp_path, {"train/a": DETECT, "val/b": "1 0.25 0.5 0.1 0.2\n0 0.5 0.5 0.5 1\n"}).read()
    assert samples.labels[LabelTarget].classes == ("cat",)
    assert samples.published.tolist() == ["train", "val"]
    assert samples[0]["box"].tolist() == [[10, 5, 30, 15]]
    assert samples[1]["box"].tolist() == [[10, 0, 30, 20]]
    assert samples.labels.targets == ("label", "box", "boxes")


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ("0 0.5 0.5 0.5 0.5 0.93\n", 1),
        ("0 0.5 0.5 0.5 0.5 0.93 1\n1 0.5 0.5 0.2 0.2 0.5 7\n", 2),
        ("0 0.5 0.5 0.5 0.5\n0 0.1 0.1 0.1 0.1 1\n", 2),
    ],
)
def test_boxes_of_predictions_are_read_without_their_confidence(tmp_path: Path, lines: str, count: int) -> None:
    data = make(tmp_path, {"train/a": lines})
    samples = data.read()
    assert samples[0]["box"].tolist() == [[10, 5, 30, 15]]
    assert len(samples[0]["boxes"]) == count
    assert "mask" not in samples.labels.targets
    assert treatments(data)["boxes with a confidence, which is dropped: used"] == ["images/train/a.jpg"]


@pytest.mark.parametrize("line", ["0 .5 .5 .5 .5 87", "0 .5 .5 .5 .5 x", "0 .5 .5 .5 .5 .9 .8 .7", "0 .5 .5 .5"])
def test_other_numbers_after_a_box_are_malformed(tmp_path: Path, line: str) -> None:
    data = make(tmp_path, {"train/a": f"{line}\n", "train/b": DETECT})
    assert "malformed line of labels: unlabelled" in treatments(data)


def test_segmentation(tmp_path: Path) -> None:
    corner = "1 0 0 0.5 0 0.5 0.5 0 0.5\n"
    samples = make(tmp_path, {"train/a": corner, "train/b": corner + DETECT, "val/c": corner}).read()
    assert samples.labels[MaskTarget].classes == ("background", "dog")
    mask = samples[0]["mask"]
    assert (int(mask[2, 2]), int(mask[15, 30])) == (1, 0)
    assert abs(float((mask == 1).float().mean()) - 0.25) < 0.05
    assert samples[0]["box"].tolist() == [[0, 0, 20, 10]]
    assert samples.labelled()["mask"].tolist() == [True, False, True]  # an object of b has no outline


@pytest.mark.parametrize(("dims", "absent"), [(3, "0.9 0.9 0"), (2, "0 0")])
def test_pose(tmp_path: Path, dims: int, absent: str) -> None:
    placed = "0.25 0.5 2" if dims == 3 else "0.25 0.5"
    yaml = PLAIN + f"kpt_shape: [2, {dims}]\nflip_idx: [1, 0]\n"
    samples = make(tmp_path, {"train/a": f"0 0.5 0.5 0.5 0.5 {placed} {absent}\n"}, yaml).read()
    points = samples[0]["keypoints"]
    assert points[0].tolist() == [10, 10]
    assert points[1].isnan().all()
    assert samples.labels[KeypointsTarget].mirrored == (1, 0)


@pytest.mark.parametrize(
    "yaml",
    [
        "path: ../datasets/set\ntrain: images/train\nnames: {0: cat, 1: dog}\n",
        "path: /content/set\ntrain: /content/set/images/train\nnames: [cat]\n",
        "train: ../images/train\nnames: [cat]\n",
        "train: train.txt\nnames: [cat]\n",
        "path: C:\\data\ntrain: [images/train]\nnames: [cat]\n",
        None,
    ],
)
def test_paths_of_another_machine_are_found_by_their_ends(tmp_path: Path, yaml: str | None) -> None:
    data = make(tmp_path, {"train/a": DETECT}, yaml)
    (tmp_path / "train.txt").write_text("/content/set/images/train/a.jpg\n./images/train/gone.jpg\n")
    samples = data.read()
    assert samples.names == ["images/train/a.jpg"]
    assert samples[0]["box"].tolist() == [[10, 5, 30, 15]]


def test_labels_beside_their_yaml_and_beside_images(tmp_path: Path) -> None:
    make(tmp_path / "one", {"train/a": None}, None)
    folder = tmp_path / "one" / "detection" / "labels" / "train"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(DETECT)
    (tmp_path / "one" / "detection" / "config.yaml").write_text(PLAIN)
    assert Yolo(root=str(tmp_path / "one")).read().labelled()["box"].all()
    write_image(tmp_path / "two" / "train" / "a.jpg")
    (tmp_path / "two" / "train" / "a.txt").write_text(DETECT)
    (tmp_path / "two" / "data.yaml").write_text("train: train\nnames: [cat]\n")
    assert Yolo(root=str(tmp_path / "two")).read().labelled()["box"].all()


def test_odd_files_are_not_labelled(tmp_path: Path) -> None:
    labels: dict[str, str | bytes | None] = {
        "train/confidence": "0 0.5 0.5 0.5 0.5 0.9\n",
        "train/empty": "",
        "train/flat": "0 0.5 0.5 0 0\n",
        "train/good": DETECT,
        "train/negative": "0 0.5 0.5 -0.5 -0.5\n",
        "train/none": None,
        "train/pixels": "0 20 10 20 10\n",
        "train/twice": DETECT + DETECT,
        "train/unknown": "2 0.5 0.5 0.5 0.5\n",
        "train/binary": b"\xff\xfe\x00\x01\x02",
        "train/infinite": "0 nan 0.5 0.5 0.5\n",
        "train/words": "cow 0.5 0.5 0.5 0.5\n",
    }
    data = make(tmp_path, labels)
    (tmp_path / "labels" / "train" / "alone.txt").write_text(DETECT)
    samples = data.read()
    boxed = {Path(name).stem for name, there in zip(samples.names, samples.labelled()["box"], strict=True) if there}
    assert boxed == {"good", "twice", "negative", "confidence"}
    short = {what: sorted(Path(name).stem for name in names) for what, names in treatments(data).items()}
    bad = ["binary", "infinite", "pixels", "unknown", "words"]
    assert short == {
        "malformed line of labels: unlabelled": bad,
        "boxes with a confidence, which is dropped: used": ["confidence"],
        "label file without an object: used": ["empty"],
        "label file without an image: skipped": ["alone"],
        "image without a label file: unlabelled": ["none"],
        "object is there twice: repaired": ["twice"],
        "box has no area: unlabelled": ["flat"],
        "box is inverted: repaired": ["negative"],
        "place of images that the yaml names is not there: skipped": ["val"],
    } | ({"text is not UTF-8: used": ["binary"]} if "text is not UTF-8: used" in short else {})


def test_two_images_of_one_label_file_are_told(tmp_path: Path) -> None:
    data = make(tmp_path, {"train/a": DETECT, "train/b": None, "val/a": DETECT})
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "images" / "train" / name, (40, 20))
    samples = data.read()
    assert samples.names == ["images/train/a.jpg", "images/train/b.jpg", "images/val/a.jpg"]
    doubled = ["images/train/a.png", "images/train/b.png"]
    assert treatments(data)["second image of the same labels: skipped"] == doubled


@pytest.mark.parametrize(
    "line",
    [
        "1.0 0.5 0.5 0.5 0.5",
        "1.00e+00 5e-1 5e-1 5e-1 5e-1",
        "1,0.5,0.5,0.5,0.5",
        "1, 0.5, 0.5, 0.5, 0.5",
        "1;0.5;0.5;0.5;0.5",
        "1 0,5 0,5 0,5 0,5",
        "dog\t0.5\t0.5\t0.5\t0.5",
    ],
)
def test_numbers_are_read_as_programs_write_them(tmp_path: Path, line: str) -> None:
    samples = make(tmp_path, {"train/a": line, "train/b": DETECT}).read()
    assert samples.strata.tolist() == [1, 0]
    assert samples[0]["box"].tolist() == [[10, 5, 30, 15]]


def test_a_malformed_line_is_lost_alone(tmp_path: Path) -> None:
    corner = "1 0 0 0.5 0 0.5 0.5 0 0.5\n"
    data = make(tmp_path, {"train/a": corner + "1.5 0.5 0.5 0.5 0.5\n" + ",\n", "train/b": corner})
    known = data.read().labelled()
    assert known["label"].all()
    assert known["mask"].tolist() == [False, True]  # a mask shows all objects
    assert treatments(data) == {
        "malformed line of labels: unlabelled": ["images/train/a.jpg"] * 2,
        "place of images that the yaml names is not there: skipped": ["images/val"],
    }


@pytest.mark.parametrize("seen", ["2 {} 1", "1 {} 0", "1.0 {} 0.0"])
def test_poses_without_their_shape_are_no_outlines(tmp_path: Path, seen: str) -> None:
    line = "0 0.5 0.5 0.4 0.4 0.35 0.35 " + seen.format("0.65 0.65") + "\n"
    data = make(tmp_path, {"train/a": line, "train/b": DETECT})
    with pytest.raises(CandelabraError, match=r"add kpt_shape: \[2, 3\]"):
        data.read()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[yes, no]", ("yes", "no")),
        ("[007, 1e3]", ("007", "1e3")),
        ("[null, 2024-01-02]", ("null", "2024-01-02")),
        ("{0: on, 1: off}", ("on", "off")),
        ("{'0': ~, 1: 0x10}", ("~", "0x10")),
        ("[' a ', '1_000']", ("a", "1_000")),
        ("[a, a]", ("a",)),
    ],
)
def test_names_are_what_the_yaml_says(tmp_path: Path, names: str, expected: tuple[str, ...]) -> None:
    labels = {"train/a": DETECT, "train/b": "1" + DETECT[1:]}
    samples = make(tmp_path, labels, f"train: images/train\nval:\nnames: {names}\n").read()
    assert samples.labels[LabelTarget].classes == expected
    assert samples.labelled()["label"].all()


@pytest.mark.parametrize("spelling", ["{}", "{}.0"])
def test_a_number_is_never_the_name_of_another_class(tmp_path: Path, spelling: str) -> None:
    """As of dice, whose classes are called 1 to 6 and numbered from 0."""
    faces = {f"train/{number}": spelling.format(number) + DETECT[1:] for number in range(6)}
    names = "['1', '2', '3', '4', '5', '6']" if spelling == "{}" else "['1.0', '2.0', '3.0', '4.0', '5.0', '6.0']"
    samples = make(tmp_path, faces, f"train: images/train\nval:\nnames: {names}\n").read()
    assert [int(samples[place]["label"]) for place in range(6)] == list(range(6))
    assert not samples.issues


@pytest.mark.parametrize("name", ["cat", "nan", "inf"])
def test_a_class_may_be_given_by_its_name(tmp_path: Path, name: str) -> None:
    samples = make(
        tmp_path, {"train/a": name + DETECT[1:]}, f"train: images/train\nval:\nnames: [dog, '{name}']\n"
    ).read()
    assert samples.labels[LabelTarget].classes == (name,)
    assert samples.labelled()["label"].all()


@pytest.mark.parametrize(
    ("image", "label"), [("cafe\u0301", "caf\u00e9"), ("caf\u00e9 1", "caf%C3%A9%201"), ("A1", "a1")]
)
@pytest.mark.parametrize("listed", [False, True])
def test_labels_belong_to_images_of_another_spelling(tmp_path: Path, image: str, label: str, listed: bool) -> None:
    (tmp_path / "train.txt").write_text(f"images/train/{image}.jpg\n")
    data = make(
        tmp_path, {f"train/{image}": None}, f"train: {'train.txt' if listed else 'images/train'}\nnames: [cat]\n"
    )
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / f"{label}.txt").write_text(DETECT)
    assert data.read().labelled()["label"].tolist() == [True]


def test_darknets_description_is_read(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / "obj_train_data" / f"{name}.jpg", (40, 20))
        (tmp_path / "obj_train_data" / f"{name}.txt").write_text(DETECT.replace("0 ", "01"["ab".index(name)] + " ", 1))
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )
    (tmp_path / "train.txt").write_text("data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n")
    assert Auto(root=str(tmp_path)).match.name == "yolo"
    samples = Yolo(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert samples.published.tolist() == ["train", "train"]


def test_an_image_in_two_splits_stays_in_training(tmp_path: Path) -> None:
    data = make(tmp_path, {"train/a": DETECT}, "train: images/train\nval: images/train\nnames: [cat]\n")
    assert data.read().published.tolist() == ["train"]
    assert treatments(data) == {"in two splits: repaired": ["images/train/a.jpg"]}


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("names: [cat]\ntrain: nowhere\n", "has no image where"),
        ("names: 5\ntrain: images/train\n", "names=5 of the yaml"),
        (PLAIN + "kpt_shape: [2, 4]\n", "kpt_shape="),
        (PLAIN + "kpt_shape: [2, 3]\nflip_idx: [0, 5]\n", "flip_idx="),
        ("a: [", "is no yaml"),
    ],
)
def test_descriptions_that_cannot_be_meant_are_refused(tmp_path: Path, yaml: str, words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        make(tmp_path, {"train/a": DETECT}, yaml, file="data.yaml").read()


def test_one_of_several_descriptions_has_to_be_named(tmp_path: Path) -> None:
    data = make(tmp_path, {"train/a": DETECT})
    (tmp_path / "other.yaml").write_text(PLAIN)
    with pytest.raises(CandelabraError, match="holds 2 descriptions"):
        data.read()


@pytest.mark.real
def test_real_boxes(real: Path) -> None:
    root = str(real / "coco128_multitask")
    data = Yolo(root=root, file="object_detection/config.yaml")
    samples = data.read()
    assert (samples.published == "train").sum() == (samples.published == "val").sum() == 128
    assert samples.labelled()["box"].sum() == 126 + 128
    odd = treatments(data)
    assert sorted(Path(name).stem for name in odd["label file without an image: skipped"]) == [
        "000000000656",
        "000000000659",
    ]
    assert sorted(Path(name).stem for name in odd["image without a label file: unlabelled"]) == [
        "000000000250",
        "000000000508",
    ]
    single = Yolo(root=root, file="object_detection/config.yaml", objects="single").read()
    assert single.labelled()["box"].sum() == 20


@pytest.mark.real
def test_real_outlines(real: Path) -> None:
    data = Yolo(root=str(real / "coco128_multitask"), file="instance_segmentation/config.yaml")
    samples = data.read()
    assert samples.labelled()["mask"].sum() == 198  # 200 label files, two of them empty
    assert "person" in samples.labels[MaskTarget].classes
    assert sorted(Path(n).stem for n in treatments(data)["label file without an object: used"]) == [
        "000000000250",
        "000000000508",
    ]
