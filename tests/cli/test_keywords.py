"""Options from Python mean what they mean on the command line."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from candelabra.cli.keywords import compose_keywords, format_overrides
from candelabra.errors import CandelabraError

VALUES = [
    None,
    True,
    3,
    2.5,
    "a b",
    "it's",
    "1e3",
    "yes",
    "x=1,2",
    "null",
    "é/猫",
    [1, "2", None],
    {"a": [True]},
    "a\\b",
]


def test_values_arrive_as_they_are(tmp_path: Path) -> None:
    config = compose_keywords("train", {"folder": tmp_path / "run 1", "+sweep.given": VALUES, "epochs": 2})
    given = OmegaConf.to_container(config.sweep.given)
    assert [(type(value), value) for value in given] == [(type(value), value) for value in VALUES]
    assert config.folder == str(tmp_path / "run 1")
    assert config.epochs == 2
    HydraConfig.instance().cfg = None


def test_mappings_are_options_below_a_key_and_a_folder_is_the_root_of_the_data(tmp_path: Path) -> None:
    words = format_overrides({"data": tmp_path, "trainer": {"devices": 1}, "task.heads": {"mask": {"stride": 4}}})
    assert words == [f"data.root='{tmp_path}'", "trainer.devices=1", "task.heads.mask.stride=4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, "lr=0.1"),
        ({"task": "nothing"}, "task=nothing is not known; allowed are"),
        ({"data": "coco"}, "data.root is not given"),
    ],
)
def test_a_wrong_option_is_refused_in_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CandelabraError, match=message):
        compose_keywords("train", options)
    HydraConfig.instance().cfg = None
