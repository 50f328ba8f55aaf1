"""Sets of a union whose labels have names, classes and heads of their own."""

import json
from pathlib import Path

import pytest
import torch

from candelabra import Model
from candelabra.commands.convert import run_convert
from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.data import DatasetPart, Folder, Shapes, Union
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import build_task
from candelabra.tasks.masked_losses import find_labelled_rows
from tests.conftest import Compose
from tests.data.files import make_folder


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A union of pets and bugs, whose labels are renamed."""
    make_folder(tmp_path / "pets", 8)
    make_folder(tmp_path / "bugs", 8, ("ant", "bee", "fly"))
    sets = [f"+data@data.sets.{name}=folder" for name in ("pets", "bugs")]
    roots = [f"data.sets.{name}.root={tmp_path / name}" for name in ("pets", "bugs")]
    return ["data=union", *sets, *roots, "data.size=32", "data.sets.bugs.rename={label:insect}", "epochs=1"]


def test_each_set_has_classes_and_a_head_of_its_own(words: list[str], tiny: Compose) -> None:
    plain = resolve_config(tiny(*words))
    data = build_data(plain["data"])
    assert {name: target.classes for name, target in data.labels.items()} == {  # type: ignore[attr-defined]
        "label": ("cat", "dog"),
        "insect": ("ant", "bee", "fly"),
    }
    task = build_task(plain, data.labels)
    assert {name: (head.target, head.target_info.name) for name, head in task.named_heads()} == {
        "label": ("label", "label"),
        "insect": ("insect", "insect"),
    }
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    rows = find_labelled_rows(batch, task.named_heads())
    assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(len(batch["image"])))
    assert all(len(each) for each in rows.values())


def test_a_head_that_was_named_is_used(words: list[str], tiny: Compose) -> None:
    given = ["data.sets.pets.rename={label:pet}", "+head@task.heads.insect=label", "task.heads.insect.hidden=[7]"]
    plain = resolve_config(tiny(*words, *given))
    task = build_task(plain, build_data(plain["data"]).labels)
    assert set(task.heads) == {"insect", "pet"}
    assert any(parameter.shape[0] == 7 for parameter in task.heads["insect"].parameters())
    assert not any(parameter.shape[0] == 7 for parameter in task.heads["pet"].parameters())
    assert task.left_out == ("label", "box", "keypoints", "mask", "depth", "normals", "flow", "value", "ordinal")


def test_a_run_is_trained_measured_and_used(words: list[str], tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*words))
    run = tmp_path / "train"
    results = json.loads((run / "results.json").read_text())
    assert {"test/label/accuracy", "test/insect/accuracy"} <= results.keys()
    run_eval(tiny(f"checkpoint={run}", "trainer=cpu", command="eval"))
    again = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert again["test/insect/loss"] == pytest.approx(results["test/insect/loss"])
    source = tmp_path / "bugs" / "ant"
    run_predict(tiny(f"checkpoint={run}", f"source={source}", "trainer=cpu", command="predict"))
    head, row, *_ = (tmp_path / "predict" / "predictions.csv").read_text().splitlines()
    assert head == "image,label,probability,insect_label,insect_probability"
    found = Model(run, "cpu")(row.partition(",")[0])
    assert row.split(",")[1::2] == [found.label.name, found.insect.name]
    assert found.insect.classes == ("ant", "bee", "fly")


def test_labels_with_other_names_are_stored() -> None:
    labels = Labels(LabelTarget(("cat", "dog")), LabelTarget(("ant", "bee")).rename("insect"))
    again = Labels.from_plain(json.loads(json.dumps(labels.to_plain())))
    assert dict(again) == dict(labels)
    assert [target.name for target in again.drop_training_fields().values()] == ["label", "insect"]
    assert LabelTarget.name == "label"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"label": "mask"}, r"mask means something else already"),
        ({"label": "image"}, r"image means something else already"),
        ({"label": "x", "box": "x"}, r"x means something else already"),
        ({"label": "two words"}, r"'two words' is no name"),
    ],
)
def test_names_that_cannot_be_are_refused(names: dict[str, str], said: str) -> None:
    with pytest.raises(CandelabraError, match=rf"data.rename: {said}"):
        DatasetPart(Shapes(count=4, canvas=32), rename=names)


def test_a_target_that_is_not_there_is_refused(tmp_path: Path) -> None:
    part = DatasetPart(Folder(root=str(make_folder(tmp_path / "pets"))), rename={"species": "pet"})
    with pytest.raises(CandelabraError, match=r"data.sets.pets.rename names species; these data label label"):
        Union({"pets": part}, size=32).open()


def test_other_classes_are_refused_with_the_word_that_helps(words: list[str], tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"rename one \(data.sets.bugs.rename=\{label:other_label\}, say\)"):
        build_data(resolve_config(tiny(*words, "data.sets.bugs.rename=null"))["data"]).open()


def test_files_have_no_other_names(tmp_path: Path, tiny: Compose) -> None:
    root = make_folder(tmp_path / "pets")
    config = tiny("data=folder", f"data.root={root}", "data.rename={label:pet}", command="convert")
    with pytest.raises(CandelabraError, match=r"data.rename=.*leave rename out"):
        run_convert(config)
