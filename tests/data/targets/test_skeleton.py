"""The skeleton of keypoints: where it comes from, and where it is stored."""

from dataclasses import replace
from pathlib import Path

import pytest

from candelabra.data import DeepLabCut, Table
from candelabra.data.labels_json import write_labels_json
from candelabra.data.targets import KeypointsTarget, Labels
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image
from tests.data.readers.test_coco import POINTS, document, make, thing
from tests.data.readers.test_points import SINGLE, make_project

TARGET = KeypointsTarget(("left", "right", "nose"), (1, 0, 2), (0, 1), ((0, 2), (1, 2)))
VISIBLE = [1, 1, 2, 5, 5, 2, 9, 9, 2]


def test_a_skeleton_is_stored_and_labels_without_one_still_load() -> None:
    plain = Labels(TARGET).to_plain()
    assert plain["keypoints"]["skeleton"] == [["left", "nose"], ["right", "nose"]]
    assert Labels.from_plain(plain)[KeypointsTarget].skeleton == TARGET.skeleton
    del plain["keypoints"]["skeleton"]
    old = Labels.from_plain(plain)[KeypointsTarget]
    assert old.skeleton == ()
    assert old == TARGET  # a checkpoint of then can be measured on these data
    with pytest.raises(CandelabraError, match="skeleton names the point tail"):
        Labels.from_plain({"keypoints": {"names": ["nose"], "skeleton": [["nose", "tail"]]}})
    with pytest.raises(CandelabraError, match="it must hold pairs of points"):
        Labels.from_plain({"keypoints": {"names": ["nose"], "skeleton": "nose"}})


@pytest.mark.parametrize(
    ("skeleton", "expected"),
    [
        ([[1, 2], [1, 3]], ((0, 1), (0, 2))),
        ([[0, 1], [0, 2]], ((0, 1), (0, 2))),  # counted from 0
        ([[1, 9], [2], "x", [1, None], [2, 3]], ((1, 2),)),
        (None, ()),
    ],
)
def test_a_coco_category_gives_its_skeleton(
    tmp_path: Path, skeleton: object, expected: tuple[tuple[int, int], ...]
) -> None:
    content = document([thing(0, keypoints=VISIBLE)])
    content["categories"][0] |= {"keypoints": POINTS, "skeleton": skeleton}
    data = make(tmp_path, content)
    assert data.read().labels[KeypointsTarget].skeleton == expected
    typed = replace(data, skeleton=[["left_eye", "right_eye"]])
    assert typed.read().labels[KeypointsTarget].skeleton == ((1, 2),)
    assert replace(data, skeleton=[]).read().labels[KeypointsTarget].skeleton == ()
    with pytest.raises(CandelabraError, match=r"data.skeleton names the point ear; there are"):
        replace(data, skeleton=[["ear", "nose"]]).read()


def make_mouse(root: Path, config: str) -> DeepLabCut:
    data = make_project(root, SINGLE.format(pad="") + "labeled-data/mouse/img0.png,1,2,3,4\n")
    (root / "config.yaml").write_text(config)
    return data


def test_a_deeplabcut_project_gives_its_skeleton_without_the_examples_of_a_new_one(tmp_path: Path) -> None:
    pairs = "skeleton:\n- - left_ear\n  - right_ear\n- - bodypart1\n  - bodypart2\n- left_ear\n"
    data = make_mouse(tmp_path, f"Task: mouse\n{pairs}")
    assert data.read().labels[KeypointsTarget].skeleton == ((0, 1),)
    assert replace(data, skeleton=[]).read().labels[KeypointsTarget].skeleton == ()


@pytest.mark.parametrize("config", ["skeleton: [", "- a\n", "skeleton: 3\n", ""])
def test_a_config_without_a_usable_skeleton_costs_no_labels(tmp_path: Path, config: str) -> None:
    data = make_mouse(tmp_path, config)
    samples = data.read()
    assert samples.labels[KeypointsTarget].skeleton == ()
    assert samples.labelled()["keypoints"].tolist() == [True]
    assert ("skeleton cannot be read: used" in treatments(data)) == (config == "skeleton: [")


def test_a_table_takes_the_skeleton_of_its_labels_json(tmp_path: Path) -> None:
    write_image(tmp_path / "0.png")
    names = [f"{name}_{axis}" for name in TARGET.names for axis in "xy"]
    (tmp_path / "table.csv").write_text("\n".join([",".join(["image", *names]), "0.png,1,2,3,4,5,6"]))
    (tmp_path / "labels.json").write_text(write_labels_json(Labels(TARGET)))
    data = Table(root=str(tmp_path))
    assert data.read().labels[KeypointsTarget].skeleton == TARGET.skeleton
    assert replace(data, skeleton=[["left", "right"]]).read().labels[KeypointsTarget].skeleton == ((0, 1),)
