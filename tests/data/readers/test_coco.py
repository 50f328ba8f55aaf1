"""COCO's json, and OCHuman's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from candelabra.data import Coco
from candelabra.data.readers.polygons import decode_run_lengths
from candelabra.data.targets import InstancesTarget, KeypointsTarget, LabelTarget, MaskTarget
from candelabra.data.targets.instance_maps import make_rows, pack_object
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

SQUARE = [2.0, 2.0, 10.0, 2.0, 10.0, 10.0, 2.0, 10.0]
POINTS = ["nose", "left_eye", "right_eye"]


def document(annotations: list[Any], images: int = 3, **more: Any) -> dict[str, Any]:
    listed = [{"id": 10 + i, "file_name": f"{i}.jpg", "width": 24, "height": 16} for i in range(images)]
    categories = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]
    return {"images": listed, "annotations": annotations, "categories": categories, **more}


def thing(image: int, category: int = 7, **more: Any) -> dict[str, Any]:
    return {"image_id": 10 + image, "category_id": category, "bbox": [2, 2, 8, 8], **more}


def make(root: Path, content: Any, images: int = 3, **options: Any) -> Coco:
    for number in range(images):
        write_image(root / "images" / f"{number}.jpg")
    (root / "annotations.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Coco(root=str(root), **options)


def test_boxes_and_classes_by_id(tmp_path: Path) -> None:
    big = thing(0, 3, bbox=[0, 0, 20, 10])
    samples = make(tmp_path, document([thing(0), big, thing(1)])).read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert [int(samples[i]["label"]) for i in range(3)] == [1, 0, -1]
    assert samples[0]["box"].tolist() == [[0, 0, 20, 10]]
    assert samples.labelled()["box"].tolist() == [True, True, False]


def test_keypoints_swap_by_name_and_are_absent_where_invisible(tmp_path: Path) -> None:
    content = document([thing(0, keypoints=[5, 5, 2, 4, 4, 1, 9, 9, 0])])
    content["categories"][0]["keypoints"] = POINTS
    samples = make(tmp_path, content, normalizer=["left_eye", "right_eye"]).read()
    assert samples.labels[KeypointsTarget].names == tuple(POINTS)
    assert samples.labels[KeypointsTarget].mirrored == (0, 2, 1)
    assert samples.labels[KeypointsTarget].normalizer == (1, 2)
    points = samples[0]["keypoints"]
    assert points[:2].tolist() == [[5, 5], [4, 4]]
    assert points[2].isnan().all()


def runs_of(mask: np.ndarray) -> list[int]:
    flat = mask.flatten(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *changes, len(flat)]).tolist()
    return [0, *lengths] if flat[0] else lengths


def packed(lengths: list[int]) -> str:
    """COCO's compression: the difference to the length before the last, five bits a character."""
    text = ""
    for place, length in enumerate(lengths):
        value = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != -1 if bits & 16 else value != 0
            text += chr((bits | 32 if more else bits) + 48)
    return text


@pytest.mark.parametrize("kind", ["polygon", "runs", "packed"])
def test_masks_are_drawn_from_outlines(tmp_path: Path, kind: str) -> None:
    wanted = np.zeros((16, 24), int)
    wanted[2:10, 2:10] = 1
    lengths = runs_of(wanted)
    outline: Any = {
        "polygon": [SQUARE],
        "runs": {"size": [16, 24], "counts": lengths},
        "packed": {"size": [16, 24], "counts": packed(lengths)},
    }[kind]
    samples = make(tmp_path, document([thing(0, segmentation=outline), thing(1)])).read()
    assert samples.labels[MaskTarget].classes == ("background", "cat")
    mask = samples[0]["mask"].numpy()
    np.testing.assert_array_equal(mask, wanted)
    assert samples.labelled()["mask"].tolist() == [True, False, False]
    assert samples[1]["mask"].unique().tolist() == [255]
    assert samples[2]["mask"].unique().tolist() == [255]


def test_small_objects_are_drawn_over_large_ones_and_change_the_digest(tmp_path: Path) -> None:
    whole = [0.0, 0.0, 24.0, 0.0, 24.0, 16.0, 0.0, 16.0]
    annotations = [thing(0, 3, segmentation=[SQUARE]), thing(0, 7, segmentation=[whole])]
    samples = make(tmp_path, document(annotations)).read()
    mask = samples[0]["mask"]
    assert (int(mask[5, 5]), int(mask[14, 20])) == (2, 1)
    assert samples.digest(0) != make(tmp_path, document(annotations[:1])).read().digest(0)


def test_compressed_runs_are_read_back() -> None:
    lengths = [0, 5, 1000, 70000, 3, 1, 40, 12]
    assert decode_run_lengths(packed(lengths)) == lengths
    with pytest.raises(ValueError, match="no part of"):
        decode_run_lengths("\x01")


def test_crowds_are_drawn_and_never_chosen(tmp_path: Path) -> None:
    crowd = thing(0, 3, bbox=[0, 0, 24, 16], iscrowd=1, segmentation={"size": [16, 24], "counts": [0, 384]})
    samples = make(tmp_path, document([crowd, thing(0, segmentation=[SQUARE])])).read()
    assert samples.labels[LabelTarget].classes == ("cat",)
    assert samples[0]["mask"].unique().tolist() == [1, 2]


def test_files_of_splits_are_found(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        write_image(tmp_path / split / "0.jpg")
        path = tmp_path / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document([thing(0)], 1)))
    data = Coco(root=str(tmp_path), images={"train": "train2017", "val": "val2017"})
    assert data.read().names == ["train2017/0.jpg", "val2017/0.jpg"]
    assert data.read().published.tolist() == ["train", "val"]
    (tmp_path / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(document([thing(0)], 1)))
    with pytest.raises(CandelabraError, match="holds 3 json files"):
        data.read()


@pytest.mark.parametrize("stated", [{}, {"width": 0, "height": 0}, {"width": None, "height": "many"}])
def test_the_size_that_a_document_does_not_state_is_that_of_the_file(tmp_path: Path, stated: dict[str, Any]) -> None:
    content = document([thing(0, segmentation=[SQUARE]), thing(0, 3, segmentation=[SQUARE]), thing(1)])
    expected = make(tmp_path / "said", content).read()
    for image in content["images"]:
        image.pop("width"), image.pop("height")
        image.update(stated)
    data = make(tmp_path / "unsaid", content)
    samples = data.read()
    assert samples.labelled()["mask"].tolist() == [True, False, False]
    assert samples[0]["mask"].equal(expected[0]["mask"])
    assert treatments(data)["image listed without its size: repaired"] == ["images/0.jpg"]  # where an outline needs it


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no category": ({"category_id": 99}, "malformed annotation: unlabelled"),
    "no list": ({"category_id": [7]}, "malformed annotation: unlabelled"),
    "short box": ({"bbox": [1, 2, 3]}, "malformed box: unlabelled"),
    "words": ({"bbox": ["a", 2, 3, 4]}, "malformed box: unlabelled"),
    "text": ({"bbox": "1234"}, "malformed box: unlabelled"),
    "odd polygon": ({"segmentation": [[1, 2, 3]]}, "malformed outline: unlabelled"),
    "bomb": ({"segmentation": {"size": [100000, 100000], "counts": [0, 10**10]}}, "malformed outline: unlabelled"),
    "short runs": ({"segmentation": {"size": [16, 24], "counts": [1, 2]}}, "malformed outline: unlabelled"),
    "turned runs": ({"segmentation": {"size": [24, 16], "counts": [384]}}, "outline of another shape than its image"),
    "points": ({"keypoints": [1, 2]}, "malformed keypoints: unlabelled"),
    "huge": ({"segmentation": {"size": [16, 24], "counts": [10**30]}}, "malformed outline: unlabelled"),
    "flag": ({"iscrowd": "perhaps"}, "iscrowd that is neither 0 nor 1: used"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_part_is_lost_and_the_rest_of_its_image_stays(tmp_path: Path, case: str) -> None:
    part, issue = BAD[case]
    good = thing(0, keypoints=[5, 5, 2] * 3)
    content = document([thing(0, **{**good, **part}), thing(1)])
    content["categories"][0]["keypoints"] = POINTS
    data = make(tmp_path, content)
    known = data.read().labelled()
    assert known["label"].tolist() == ["category_id" not in part, True, False]
    assert known["box"].tolist() == [not {"category_id", "bbox"} & set(part), True, False]
    assert known["keypoints"].tolist() == [not {"category_id", "keypoints"} & set(part), False, False]
    assert "mask" not in known or not known["mask"][0]
    assert [names for what, names in treatments(data).items() if what.startswith(issue)] == [["images/0.jpg"]]


@pytest.mark.parametrize("lost", [{"category_id": 99}, {"segmentation": [[1, 2, 3]]}, {"segmentation": []}])
def test_a_mask_shows_all_objects_of_an_image_or_is_not_there(tmp_path: Path, lost: dict[str, Any]) -> None:
    whole = thing(0, segmentation=[SQUARE])
    samples = make(tmp_path, document([whole, {**whole, "bbox": [4, 4, 3, 3], **lost}])).read()
    assert samples.labelled()["label"][0]
    assert samples[0]["mask"].unique().tolist() == [255]


@pytest.mark.parametrize(
    "ring",
    [[SQUARE, []], [SQUARE, [3, 3]], SQUARE, [[x, y] for x, y in zip(SQUARE[::2], SQUARE[1::2], strict=True)]],
)
def test_outlines_are_read_in_the_shapes_that_tools_write(tmp_path: Path, ring: list[Any]) -> None:
    expected = make(tmp_path / "plain", document([thing(0, segmentation=[SQUARE])])).read()
    samples = make(tmp_path / "other", document([thing(0, segmentation=ring)])).read()
    assert samples[0]["mask"].equal(expected[0]["mask"])


@pytest.mark.parametrize(
    "box",
    [
        dict(zip("xywh", [2, 3, 8, 9], strict=True)),
        {"xmin": 2, "ymin": 3, "xmax": 10, "ymax": 12},
        {"Left": 2, "Top": 3, "Width": 8, "Height": 9},
        ["2", "3", "8.0", "9e0"],
    ],
)
def test_boxes_are_read_in_the_shapes_that_tools_write(tmp_path: Path, box: Any) -> None:
    assert make(tmp_path, document([thing(0, bbox=box)])).read()[0]["box"].tolist() == [[2, 3, 10, 12]]


@pytest.mark.parametrize(
    "given", [[5, 5, 0, 0, 9, 9], [[5, 5, 2], [0, 0, 0], [9, 9, 1]], [5, 5, 2, None, 1, 2, 9, 9, 1]]
)
def test_keypoints_are_read_in_the_shapes_that_tools_write(tmp_path: Path, given: list[Any]) -> None:
    content = document([thing(0, keypoints=given)])
    content["categories"][0]["keypoints"] = POINTS
    points = make(tmp_path, content).read()[0]["keypoints"]
    assert (points[0].tolist(), points[1].isnan().all(), points[2].tolist()) == ([5, 5], True, [9, 9])


@pytest.mark.parametrize("write", [str, float, lambda n: f" {n} ", lambda n: f"{n}.0"])
@pytest.mark.parametrize("where", ["images", "annotations", "categories"])
def test_ids_are_found_as_numbers_text_and_floats(tmp_path: Path, write: Any, where: str) -> None:
    content = document([thing(0), thing(1, 3)])
    for each in content[where]:
        for key in {"images": ["id"], "categories": ["id"], "annotations": ["image_id", "category_id"]}[where]:
            each[key] = write(each[key])
    samples = make(tmp_path, content).read()
    assert samples.strata.tolist()[:2] == [0, 1]


def test_images_of_one_id_are_not_labelled(tmp_path: Path) -> None:
    content = document([thing(0), thing(0, 3, bbox=[0, 0, 20, 9]), thing(2)])
    content["images"][1]["id"] = 10
    data = make(tmp_path, content)
    assert data.read().labelled()["label"].tolist() == [False, False, True]
    assert treatments(data)["several images have one id: unlabelled"] == ["images/1.jpg"]
    content["images"][2]["id"] = 10
    with pytest.raises(CandelabraError, match=r"several images have one id .*id 10 is that of"):
        make(tmp_path, content).read()


def test_categories_are_named_once_and_all_have_a_name(tmp_path: Path) -> None:
    content = document([thing(0), thing(1, 3), thing(2, 5)])
    content["categories"] = [{"id": 7, "name": " cat"}, {"id": 3, "name": "cat"}, {"id": 5, "name": None}]
    data = make(tmp_path, content)
    assert data.read().labels[LabelTarget].classes == ("cat", "5")
    assert [what.split(",")[0] for what in treatments(data)] == [
        "class name with spaces around it",
        "class without a name",
        "several numbers have one class name",
    ]
    content["categories"] = [{"id": 7, "name": "cat"}, {"id": "7", "name": "dog"}]
    with pytest.raises(CandelabraError, match="malformed annotation"):  # 7 and "7" are two here, and 3 and 5 none
        make(tmp_path, {**content, "annotations": [thing(1, 3)]}).read()
    content["categories"][1]["id"] = 7
    with pytest.raises(CandelabraError, match=r"categories cat and dog of data\.file=annotations\.json have one id"):
        make(tmp_path, content).read()


@pytest.mark.parametrize("flag", ["0", 0.0, False, None, "false", ""])
def test_a_flag_that_says_no_is_no_crowd(tmp_path: Path, flag: Any) -> None:
    crowd = thing(1, iscrowd=1)
    assert make(tmp_path, document([thing(0, iscrowd=flag), crowd])).read().labelled()["label"][0]


def test_images_of_crowds_alone_are_listed_and_read_where_all_are_crowds(tmp_path: Path) -> None:
    data = make(tmp_path, document([thing(0, iscrowd="1"), thing(1)]))
    assert data.read().labelled()["label"].tolist() == [False, True, False]
    assert treatments(data)["only crowds in the image: unlabelled"] == ["images/0.jpg"]
    data = make(tmp_path, document([thing(0, iscrowd=1), thing(1, iscrowd=1)]))
    assert data.read().labelled()["label"].tolist() == [True, True, False]
    assert treatments(data)["every object is said to be a crowd: repaired"] == ["images/0.jpg"]


@pytest.mark.parametrize("name", ["background", "Background"])
def test_a_category_called_background_is_drawn_as_the_background(tmp_path: Path, name: str) -> None:
    whole = [0.0, 0.0, 24.0, 0.0, 24.0, 16.0, 0.0, 16.0]
    content = document([thing(0, 3, segmentation=[whole]), thing(0, segmentation=[SQUARE])])
    content["categories"][1]["name"] = name
    samples = make(tmp_path, content).read()
    assert samples.labels[MaskTarget].classes == ("background", "cat")
    assert (int(samples[0]["mask"][14, 20]), int(samples[0]["mask"][5, 5])) == (0, 1)


def test_keypoints_are_those_of_the_classes_that_are_read(tmp_path: Path) -> None:
    content = document([thing(0, keypoints=[5, 5, 2] * 3), thing(1, 3, keypoints=[1, 1, 2] * 2)])
    content["categories"][0]["keypoints"] = POINTS
    content["categories"][1]["keypoints"] = ["head", "tail"]
    with pytest.raises(CandelabraError, match=r"cat, dog .* have different keypoints.*data\.classes"):
        make(tmp_path, content).read()
    samples = make(tmp_path, content, classes=["dog"]).read()
    assert samples.labels[KeypointsTarget].names == ("head", "tail")
    assert samples[1]["keypoints"].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("key", ["coco_url", "file_name", "path"])
def test_images_are_found_by_addresses(tmp_path: Path, key: str) -> None:
    content = document([thing(0)])
    for image in content["images"]:
        image[key] = f"https://images.org/val2017/{image.pop('file_name')}?size=large"
    assert make(tmp_path, content).read().names == [f"images/{number}.jpg" for number in range(3)]


def test_the_message_says_what_was_found_where_nothing_is_labelled(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=r"1 x malformed annotation \(images/0.jpg: category 99 is not known"):
        make(tmp_path, document([thing(0, 99)])).read()
    content = document([thing(0)], 1)
    with pytest.raises(CandelabraError, match="listed image has no file_name"):
        make(tmp_path, {**content, "images": [{"id": 10, "name": "a"}]}).read()


def test_odd_lists_are_repaired_or_left_out(tmp_path: Path) -> None:
    content = document([thing(0), thing(0), thing(5), thing(1, bbox=[9, 9, -4, -4]), "nonsense"], 2)
    content["images"] += [{"id": 77, "file_name": "../../etc/passwd"}, {"id": 78, "file_name": "0.jpg"}]
    data = make(tmp_path, content)
    samples = data.read()
    assert samples[1]["box"].tolist() == [[5, 5, 9, 9]]
    assert treatments(data) == {
        "object is there twice: repaired": ["images/0.jpg"],
        "listed image is not there: skipped": ["../../etc/passwd"],
        "image is listed twice: repaired": ["images/0.jpg"],
        "annotations of images that are not there: skipped": ["."],
        "box is inverted: repaired": ["images/1.jpg"],
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"images": [', "cannot be read as json"),
        ('{"images": ' + "[" * 100_000, "cannot be read as json"),
        ({"images": [], "annotations": {}}, "no list of annotations and categories"),
        (document([]), "has a labelled object"),
        ('{"images": [], "annotations": [], "categories": [5]}', "have no id or name"),
    ],
)
def test_documents_that_cannot_be_used_are_refused(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        make(tmp_path, content, file="annotations.json").read()


REAL = {  # images, labelled boxes, points, labelled masks
    "coco_instances": (6, 5, 0, 5),
    "ochuman": (10, 10, 19, 4),
    "mmpose/coco": (4, 4, 17, 4),
    "mmpose/ap10k": (1, 1, 17, 0),
    "mmpose/animalpose": (2, 2, 20, 0),
    "mmpose/wflw": (2, 2, 98, 0),
    "mmpose/300w": (2, 2, 68, 0),
    "mmpose/aflw": (2, 2, 19, 0),
    "mmpose/cofw": (2, 2, 29, 0),
    "mmpose/onehand10k": (4, 4, 21, 4),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_samples(real: Path, name: str) -> None:
    samples = Coco(root=str(real / "format_samples" / name)).read()
    images, boxes, points, masks = REAL[name]
    known = samples.labelled()
    assert len(samples) == images
    assert int(known["box"].sum()) == boxes if boxes else "box" not in known
    assert len((samples.labels.find(KeypointsTarget) or KeypointsTarget()).names) == points
    assert int(known["mask"].sum()) == masks if masks else "mask" not in known
    for index in range(images):
        sample = samples[index]
        if points and not sample["keypoints"].isnan().all():
            height, width = sample["image"].shape[1:]
            inside = sample["keypoints"][~sample["keypoints"].isnan().any(1)]
            assert (inside > -0.2 * width).all()
            assert (inside < 1.2 * max(width, height)).all()


@pytest.mark.real
@pytest.mark.parametrize("name", ["mmpose/wflw", "mmpose/300w"])
def test_numbered_points_of_real_faces_are_mirrored(real: Path, name: str) -> None:
    samples = Coco(root=str(real / "format_samples" / name)).read()
    for index in range(len(samples)):
        points = samples[index]["keypoints"].numpy()
        shape = (points - points.mean(0)) @ np.array([1, 1j])
        mirrored = -shape[list(samples.labels[KeypointsTarget].mirrored)].conj()
        assert abs(np.vdot(mirrored, shape)) / np.vdot(shape, shape).real > 0.93  # the same face, turned at most


def test_objects_have_their_pixels_from_outlines_and_runs_and_an_object_without_one_is_no_background(
    tmp_path: Path,
) -> None:
    mask = np.zeros((16, 24), np.uint8)
    mask[12:15, 12:20] = 1
    crowd = {"segmentation": {"size": [16, 24], "counts": runs_of(mask)}, "iscrowd": 1, "bbox": [12, 12, 8, 3]}
    things = [
        thing(0, segmentation=[SQUARE]),
        thing(0, 3, segmentation=[[4.0, 4, 7, 4, 7, 7, 4, 7]], bbox=[4, 4, 3, 3]),
        thing(0, **crowd),
        thing(0, 3, bbox=[14, 2, 6, 5]),
        thing(1, bbox=[1, 1, 5, 5]),
    ]
    samples = make(tmp_path, document(things)).read()
    assert samples.labels[InstancesTarget].classes == ("cat", "dog")
    assert samples.labelled()["instances"].tolist() == [True, False, True]
    value = samples[0]["instances"]
    rows = make_rows(value)
    assert rows[:, 4:].tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    assert rows[2:, :4].tolist() == [[12, 12, 20, 15], [14, 2, 20, 7]]
    assert int(value[5, 5]) == pack_object(2, 1)  # the small one is in front
    assert not samples[2]["instances"].any()
