"""What is typed, before Hydra composes it."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from candelabra.cli.compose import expand_overrides
from candelabra.cli.overrides import DETECTORS, add_resumed_overrides
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError


def test_a_run_that_goes_on_keeps_words_together_whatever_flags_stand_around_them(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("words: [task=depth, lr=0.1, hydra.run.dir=x]\n")
    given, where = f"resume={tmp_path}", f"hydra.run.dir='{tmp_path}'"
    flags = ["--config-dir", "conf", "--info"]
    typed = [*flags[:2], "lr=0.2", given, "epochs=3", flags[2]]
    kept = [*flags[:2], "task=depth", "lr=0.2", given, where, "epochs=3", flags[2]]
    assert add_resumed_overrides(typed) == kept
    assert add_resumed_overrides([given]) == ["task=depth", "lr=0.1", given, where]


def test_folder_is_where_hydra_writes_too_but_not_into_data_that_are_converted() -> None:
    assert expand_overrides("predict", ["source=x", "folder=out"]) == ["source=x", "hydra.run.dir=out"]
    assert expand_overrides("train", ["-m", "lr=1,2", "folder=out"]) == ["-m", "lr=1,2", "hydra.sweep.dir=out"]
    assert expand_overrides("convert", ["to=table", "folder=out"]) == ["to=table", "folder=out"]


@pytest.mark.parametrize("command", ["eval", "export"])
def test_the_data_of_a_checkpoint_may_have_moved(command: str) -> None:
    typed = ["checkpoint=run", "data.root=photos", "data.sets.dogs.root=dogs"]
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config = compose(command, list(expand_overrides(command, typed)))
    assert config.data.root == "photos"
    assert config.data.sets == {"dogs": {"root": "dogs"}}


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_chosen_by_one_word_alone_and_beside_other_heads(name: str) -> None:
    target = {"fcos": "FCOS", "retinanet": "RetinaNet", "faster_rcnn": "FasterRCNN"}[name]
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        for command in ("train", "plan"):
            words = expand_overrides(command, ["task=detection", f"detector={name}", "task.boxes.width=64"])
            boxes = compose("train", list(words)).task.boxes
            assert (boxes["_target_"], boxes.width) == (f"candelabra.heads.{target}", 64)
        heads = compose("train", list(expand_overrides("train", [f"detector={name}"]))).task.heads
    assert heads.boxes["_target_"] == f"candelabra.heads.{target}"
    assert "label" in heads


def test_a_detector_that_is_none_is_refused_and_several_make_a_sweep() -> None:
    with pytest.raises(CandelabraError, match="detector=yolo is not known; allowed are fcos, retinanet, faster_rcnn"):
        expand_overrides("train", ["task=detection", "detector=fcos,yolo"])
    words = expand_overrides("train", ["-m", "task=detection", "detector=fcos,retinanet"])
    assert list(words) == ["-m", "task=detection", "head@task.boxes=fcos,retinanet"]
