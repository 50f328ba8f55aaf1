"""The whole command, on sets that are clean, odd, and not to be used."""

import csv
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from candelabra.checking.findings import FindingLevel
from candelabra.commands.check import check_dataset, report_to_json, run_check
from candelabra.data import DataModule, Folder, Pets, Reader, Shapes
from candelabra.data.samples import Samples
from candelabra.data.sampling.name_groups import SHARED_BEGINNING
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.data.builders import build_file_samples, make_labels
from tests.data.sampling.test_duplicates import saved, scene

pytestmark = pytest.mark.figures


@dataclass(frozen=True, kw_only=True)
class Given(Reader):
    """Samples that a test has made."""

    records: Samples

    def read(self) -> Samples:
        return self.records


def write(path: Path, seed: int, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(seed, (60, 45))).save(path, "JPEG", quality=quality)


def make_folder(root: Path, count: int = 8) -> Path:
    for number in range(count):
        for place, name in enumerate(("cat", "dog")):
            write(root / name / f"{number}.jpg", 100 * place + number)
    return root


def read(folder: Path) -> tuple[dict[str, Any], str]:
    return json.loads((folder / "check.json").read_text()), (folder / "check.html").read_text(encoding="utf-8")


def test_a_clean_set_exits_with_0_and_a_page_of_its_own(tiny: Compose, tmp_path: Path) -> None:
    assert run_check(tiny("data=shapes", "data.count=40", "samples=4", command="check")) == 0
    found, page = read(tmp_path / "check")
    assert found["exit_code"] == 0
    assert found["findings"] == []
    assert found["labelled"]["val"] == {"images": 6, "label": 6, "box": 6, "keypoints": 6, "mask": 6}
    assert sum(sum(split.values()) for split in found["classes"].values()) == 40
    assert sum(sum(split.values()) for split in found["mask_pixels"].values()) == sum(
        int(width) ** 2 * count for width, count in found["widths"].items()
    )
    assert set(found["keypoints"].values()) == {40}
    assert "Clean" in page
    assert all(word in page for word in ("Classes", "Boxes", "Keypoints", "Masks", "after their transforms"))
    assert set(re.findall(r'(?:src|href)="(\w+:)', page)) == {"data:"}  # nothing is fetched
    assert len(page) < 1_000_000


def test_no_table_of_labels_is_printed_where_no_image_can_be_used(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.jpg").write_text("no image")
    assert run_check(tiny("data=folder", f"data.root={tmp_path / 'set'}", command="check")) == 2
    printed = capsys.readouterr().out
    assert "labelled images" not in printed
    assert "unusable: 2 of 2 images cannot be used" in printed


def test_what_is_odd_is_listed_and_exits_with_1(tiny: Compose, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "photos")
    (root / "cat" / "empty.jpg").touch()
    whole = (root / "dog" / "0.jpg").read_bytes()
    (root / "dog" / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    assert run_check(tiny("data=folder", f"data.root={root}", command="check")) == 1
    found, page = read(tmp_path / "check")
    assert found["readable"] == 16
    with (tmp_path / "check" / "issues.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {"cat/empty.jpg", "dog/torn.jpg"}
    assert {row["treatment"] for row in rows} <= {"skipped", "unlabelled"}
    assert "dog/torn.jpg" in page


def test_what_cannot_be_trained_on_is_still_looked_at(tiny: Compose, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for split, names in (("train", ("cat", "dog")), ("test", ("cat", "dog"))):
        for number, name in enumerate(names):
            write(root / split / name / "only.jpg", number)
    assert run_check(tiny("data=folder", f"data.root={root}", command="check")) == 2
    found, page = read(tmp_path / "check")
    assert "val split" in found["refusal"]
    assert found["labelled"]["train"] == {"images": 2, "label": 2}
    assert "Not usable" in page
    assert any("test leaks: 2 of its 2 images" in each["words"] for each in found["findings"])
    with pytest.raises(CandelabraError, match="nowhere"):
        run_check(tiny("data=folder", "data.root=nowhere", command="check"))
    with pytest.raises(CandelabraError, match="near=2"):
        run_check(tiny("data=shapes", "near=2", command="check"))


def test_masks_whose_colours_nobody_named_end_in_a_page_that_lists_them(tiny: Compose, tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "set" / "images" / f"{number}.jpg", number)
        mask = Image.new("RGB", (30, 20), (0, 0, 90))
        mask.paste((200, 0, 0), (0, 0, 15, 20))
        (tmp_path / "set" / "masks").mkdir(exist_ok=True)
        mask.save(tmp_path / "set" / "masks" / f"{number}.png")
    assert run_check(tiny("data=masks", f"data.root={tmp_path / 'set'}", "samples=2", command="check")) == 2
    found, page = read(tmp_path / "check")
    assert "[200, 0, 0] (50.0%)" in found["refusal"]
    assert found["images"] == found["readable"] == 3
    assert "data.colours=" in page


def test_bad_files_under_raise_are_a_reason_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    (root / "cat" / "empty.jpg").touch()
    report = check_dataset(DataModule(Folder(root=str(root)), size=32, workers=0, on_bad="raise"))
    assert report.level is FindingLevel.UNUSABLE
    assert [each.name for each in report.tally.issues] == ["cat/empty.jpg"]
    assert report.tally.readable.sum() == 16


def test_names_of_files_and_classes_are_text_on_the_page(tiny: Compose, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "photos")
    for number in range(8):
        write(root / "<b>$x^" / f"<img src=x onerror=alert({number})>.jpg", 200)  # of one scene: shown as duplicates
    run_check(tiny("data=folder", f"data.root={root}", command="check"))
    _, page = read(tmp_path / "check")
    assert "<b>" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror" in page


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_names_that_are_no_text_or_of_any_script_do_not_stop_it(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_folder(tmp_path / "photos")
    odd = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    for number in range(8):
        write(odd / f"{number}.jpg", 300 + number)
        write(root / "猫 🐈" / f"{number}.jpg", 400 + number)
    (odd / "empty.jpg").touch()
    assert run_check(tiny("data=folder", f"data.root={root}", command="check")) == 1
    found, page = read(tmp_path / "check")
    assert found["issues"][0]["name"] == "caf\udce9/empty.jpg"
    assert "猫 🐈" in page
    assert "caf\\udce9/empty.jpg" in page
    assert "caf\\udce9/empty.jpg" in capsys.readouterr().out


def test_a_set_of_several_sets_is_looked_at_as_one(tmp_path: Path, tiny: Compose) -> None:
    root = make_folder(tmp_path / "photos")
    (root / "cat" / "empty.jpg").touch()
    words = ["data=union", "+data@data.sets.scenes=shapes", "data.sets.scenes.count=40", "data.size=32"]
    words += ["+data@data.sets.photos=folder", f"data.sets.photos.root={root}", "data.sets.photos.targets=[label]"]
    words += ["data.sets.scenes.targets=[box,mask]", "samples=4"]
    assert run_check(tiny(*words, command="check")) == 1
    found, _ = read(tmp_path / "check")
    assert found["images"] == 57
    assert [each["name"] for each in found["issues"]] == ["photos/cat/empty.jpg"]
    assert sum(row["mask"] for row in found["labelled"].values()) == 40
    assert run_check(tiny(*words, "data.sets.scenes.count=1", command="check")) == 2


def test_several_labels_an_image_are_counted_each(tmp_path: Path, tiny: Compose) -> None:
    rows = ["image,label"]
    for number in range(12):
        write(tmp_path / f"{number}.jpg", number)
        rows.append(f"{number}.jpg,{('a|b', 'a', '')[number % 3]}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    words = ["data=table", f"data.root={tmp_path}", "data.separator='|'"]
    run_check(tiny(*words, command="check"))
    found, _ = read(tmp_path / "check")
    assert {name: sum(split[name] for split in found["classes"].values()) for name in ("a", "b")} == {"a": 8, "b": 4}
    assert sum(row["label"] for row in found["labelled"].values()) == 8


def boxed(root: Path, boxes: list[list[float]], files: list[int], split: list[str]) -> DataModule:
    for number, seed in enumerate(files):
        write(root / f"{number}.jpg", seed)
    names = [f"{number}.jpg" for number in range(len(files))]
    records = build_file_samples(root, names, make_labels(box=True), np.array(split), box=np.array(boxes, np.float32))
    return DataModule(Given(records=records), size=32, workers=0)


def test_equal_files_with_other_boxes_contradict_each_other(tmp_path: Path) -> None:
    nan = float("nan")
    boxes = [[1, 1, 9, 9], [1, 1, 9, 12], [2, 2, 8, 8], [nan] * 4, [3, 3, 9, 9], [3, 3, 9, 9]]
    split = ["train", "train", "train", "val", "test", "train"]
    report = check_dataset(boxed(tmp_path, boxes, [0, 0, 1, 1, 2, 2], split))
    assert [(list(group), targets) for group, targets in report.contradicting] == [([0, 1], ["box"])]
    words = [finding.words for finding in report.findings if finding.level is FindingLevel.ODD]
    assert any("1 group of equal images is labelled in contradiction (box)" in each for each in words)
    assert any("val leaks: 1 of its 1 image (100.0%) is in train too, 1 of them equal" in each for each in words)


def test_frames_of_one_film_that_are_saved_anew_leak(tmp_path: Path) -> None:
    data = boxed(tmp_path, [[1, 1, 9, 9]] * 4, [0, 1, 2, 3], ["train", "train", "val", "test"])
    Image.fromarray(saved(scene(0, (60, 45)), 50)).save(tmp_path / "3.jpg", quality=60)
    found = report_to_json(check_dataset(data))
    assert found["alike"] == [[{"name": "0.jpg", "split": "train"}, {"name": "3.jpg", "split": "test"}]]
    assert found["equal"] == []
    words = [each["words"] for each in found["findings"] if "leaks" in each["words"]]
    assert [each.partition(" or with ")[2] for each in words] == ["data.split=random data.groups=near_duplicates."]


def test_what_is_found_does_not_depend_on_processes() -> None:
    one, two = (
        report_to_json(check_dataset(DataModule(Shapes(count=80), size=32, workers=workers))) for workers in (0, 2)
    )
    assert {k: v for k, v in one.items() if "second" not in k} == {k: v for k, v in two.items() if "second" not in k}


@pytest.mark.real
def test_the_published_split_of_faces_leaks(real: Path) -> None:
    root = real / "p1_facial_keypoints" / "data"
    tables = {
        split: pandas.read_csv(root / f"{folder}_frames_keypoints.csv")
        for split, folder in (("train", "training"), ("test", "test"))
    }
    folders = {"train": "training", "test": "test"}
    names = [f"{folders[split]}/{name}" for split, table in tables.items() for name in table.iloc[:, 0]]
    split = np.array([split for split, table in tables.items() for _ in range(len(table))])
    points = np.concatenate([table.iloc[:, 1:].to_numpy(np.float32).reshape(-1, 68, 2) for table in tables.values()])
    labels = make_labels(keypoints=tuple(str(number) for number in range(68)))
    report = check_dataset(
        DataModule(Given(records=build_file_samples(root, names, labels, split, keypoints=points)), size=64, workers=0)
    )
    train, val, test = (len(report.survey.parts[name]) for name in ("train", "val", "test"))
    assert (train + val, test) == (3462, 770)
    persons = [re.sub(r"_\d+$", "", Path(name).stem) for name in names]
    for groups in report.twins:
        assert all(len({persons[index] for index in group}) == 1 for group in groups)  # no wrong one among them
    assert {frozenset(Path(names[index]).stem for index in group) for group in report.twins.equal} == {
        frozenset(["Jake_Plummer_41", "Jake_Plummer_42"]),
        frozenset(["Carlos_Iturgaitz_30", "Carlos_Iturgaitz_31", "Carlos_Iturgaitz_32"]),
        frozenset(["Poala_Suarez_51"]),
    }
    published = np.where(split == "test", "test", "train")
    leaking = {i for group in report.twins.alike if len(set(published[group])) > 1 for i in group if split[i] == "test"}
    assert len(leaking) > 500
    files, starts = report.names
    assert (starts.shared, starts.number) == (347, 347)
    divided = sum(each.what == SHARED_BEGINNING for each in report.survey.issues)
    assert 200 < divided < 347  # persons whose images are in train and val, which is drawn
    assert files.shared >= 770
    assert report.level is FindingLevel.ODD


@pytest.mark.real
def test_counts_of_real_sets_are_those_of_their_authors(real: Path) -> None:
    pets = report_to_json(check_dataset(DataModule(Pets(root=str(real / "pets_sample")), size=64, workers=0)))
    counts = pets["labelled"]
    assert counts["train"]["images"] + counts["val"]["images"] == 300
    assert counts["test"] == {"images": 298, "label": 298, "box": 0, "mask": 298}
    assert counts["train"]["box"] + counts["val"]["box"] == 295
    assert pets["classes"]["test"] == {"Abyssinian": 98, "Bengal": 100, "american bulldog": 100}
    cifar = report_to_json(check_dataset(DataModule(Folder(root=str(real / "cifar10_6k")), size=32, workers=0)))
    assert set(cifar["classes"]["test"].values()) == {100}
    assert {cifar["classes"]["train"][name] + cifar["classes"]["val"][name] for name in cifar["classes"]["val"]} == {
        500
    }
    assert cifar["equal"] == []
    assert {len(group) for group in cifar["alike"]} == {2}
    pairs = {tuple("/".join(each["name"].split("/")[-2:]) for each in group) for group in cifar["alike"]}
    assert ("automobile/0035.jpg", "automobile/0412.jpg") in pairs
    assert all(one.split("/")[0] == other.split("/")[0] for one, other in pairs)  # one class: none is absurd
    assert cifar["widths"] == cifar["heights"] == {"32": 6000}
