"""Exports of labelling tools that are not read are named, by every reader that looks for annotations."""

import json
from pathlib import Path

import pytest

from candelabra.data import Auto, Coco, Voc
from candelabra.errors import CandelabraError
from tests.data.files import write_image

EXPORTS = {
    "annotations.xml": ('<annotations><image id="0" name="a.jpg"><box label="a"/></image></annotations>', "CVAT"),
    "a.json": (json.dumps({"shapes": [], "imagePath": "a.jpg", "imageData": None}), "LabelMe"),
    "export.json": (
        json.dumps([{"id": 1, "annotations": [{"result": []}], "data": {"image": "a.jpg"}}]),
        "Label Studio",
    ),
    "via.json": (json.dumps({"a.jpg": {"regions": [{"shape_attributes": {}}]}}), "VGG"),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("reader", [Auto, Coco, Voc])
def test_the_message_names_the_tool(tmp_path: Path, name: str, reader: type[Auto | Coco | Voc]) -> None:
    text, tool = EXPORTS[name]
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / name).write_text(text)
    with pytest.raises(CandelabraError, match=f"{name} is {tool}"):
        reader(root=str(tmp_path)).read()


def test_folders_that_hold_other_annotations_are_read_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in ("cat", "dog"):
        write_image(tmp_path / kind / "a.jpg")
        (tmp_path / kind / "a.json").write_text(EXPORTS["a.json"][0])
    assert len(Auto(root=str(tmp_path)).read()) == 2
    assert "read by its folders alone: cat/a.json is LabelMe's" in caplog.text
