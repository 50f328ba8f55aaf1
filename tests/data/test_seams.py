"""Where readers, caches and transforms meet: faults that were found there once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from candelabra.data import DataModule, Folder, Masks
from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.sampling.name_tables import read_column
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource, make_encoded_samples
from candelabra.data.targets import Labels, LabelTarget
from candelabra.data.targets.label import LabelColumn
from candelabra.data.transforms.crop import ResizedCrop
from candelabra.data.transforms.sample_geometry import drop_invisible
from candelabra.errors import CandelabraError
from tests.data.builders import FOUR, build_sample
from tests.data.files import make_folder, write_image, write_mask


class Nowhere(EncodedSource):
    def read(self, index: int) -> EncodedFiles:
        raise AssertionError("no image is needed")


def test_a_box_that_is_moved_out_after_a_resize_is_no_line_on_the_edge() -> None:
    from torchvision.transforms.v2 import functional

    scene = build_sample(torch.zeros(3, 40, 100, dtype=torch.uint8), box=torch.tensor([80.0, 10, 95, 30]))
    resized = ResizedCrop(FOUR, (40, 100))(scene)
    assert resized["box"].clamping_mode is None  # type: ignore[attr-defined]
    gone = {**resized, "box": functional.affine(resized["box"], 0.0, [40, 0], 1.0, [0.0, 0.0])}
    assert drop_invisible(gone, FOUR)["box"].isnan().all()  # type: ignore[arg-type]


def test_names_and_groups_of_a_table_are_read_as_they_stand_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,group\n000000,NA\n000001,NA\n000002,01\n000003,1\n")
    found = read_column("data.groups", "t.csv", "group", [f"{n:06d}" for n in range(4)], str(tmp_path))
    assert found.tolist() == ["NA", "NA", "01", "1"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [([0, 1, 2, -1], [0, 1, 2, -1]), (["1", "3", "2", None], [0, 2, 1, -1]), (["1", "0"], [0, -1])],
)
def test_a_number_is_an_index_and_a_word_a_name(cells: list[object], expected: list[int]) -> None:
    names = [str(n) for n in range(len(cells))]
    column = LabelTarget.read_records(cells, names, LabelTarget(("1", "2", "3")), [])
    assert isinstance(column, LabelColumn)
    assert column.target.classes == ("1", "2", "3")
    assert column.values.tolist() == expected


def test_several_labels_of_shards_are_told_apart_for_samplers() -> None:
    cells = [["a"], ["b", "c"], None]
    samples = make_encoded_samples(Nowhere(), ["0", "1", "2"], [""] * 3, {"label": cells}, {}, Labels())
    assert samples.shown().tolist() == [[True, False, False], [False, True, True], [False, False, False]]
    assert samples.labelled()["label"].tolist() == [True, True, False]


def test_a_missing_file_is_not_replaced_by_its_namesake(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png", "two/b.png"):
        write_image(tmp_path / name)
    finder = FileFinder(tmp_path, sorted(tmp_path.rglob("*.png")))
    assert finder.find("elsewhere/two/b.png", "") == "two/b.png"
    assert finder.find("one/b.png", "") is None


def test_split_folders_by_any_usual_name_are_no_classes(tmp_path: Path) -> None:
    for split in ("train2017", "val2017", "test2017"):
        make_folder(tmp_path / split, 3)
    data = DataModule(Folder(root=str(tmp_path)))
    assert data.labels[LabelTarget].classes == ("cat", "dog")
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 6, "val": 6, "test": 6}


def test_masks_go_with_the_image_of_their_folder(tmp_path: Path) -> None:
    for number, split in enumerate(("training", "validation")):
        for name in range(4):
            write_image(tmp_path / "images" / split / f"{name}.png")
            write_mask(tmp_path / "masks" / split / f"{name}.png", np.full((16, 24), number))
    samples = Masks(root=str(tmp_path), classes=["no", "yes"]).read()
    for index, path in enumerate(samples.names):
        assert samples[index]["mask"].unique().tolist() == ["validation" in path]


def test_an_ignored_colour_that_is_none_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    write_image(tmp_path / "masks" / "a.png", colour=(1, 2, 3))
    with pytest.raises(CandelabraError, match="Void"):
        Masks(root=str(tmp_path), colours={"void": [1, 2, 3], "sky": [4, 5, 6]}, ignore=["Void"]).read()
