"""A run whose batch size and epochs are open has those of its number of images, recorded and printed."""

from pathlib import Path

import pytest

from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.errors import CandelabraError
from candelabra.runs.run_config import read_run_config
from candelabra.training.open_options import apply_typed_epochs, fill_open_options
from tests.conftest import Compose
from tests.data.files import write_image

FEW = ("data=digits", "task=classification", "data.size=32", "data.canvas=32", "data.fraction=0.2")  # 251 images
OPEN = (*FEW, "data.batch_size=null")


@pytest.mark.parametrize(
    ("words", "batch_size", "epochs"),
    [
        ((), 16, 34),  # 15 steps an epoch
        (("data.batch_size=8",), 8, 17),
        (("epochs=3",), 16, 3),
        (("trainer.max_epochs=2",), 16, 2),
        (("finetune=probe", "trainer.max_epochs=2"), 16, 2),  # of which the config says 100
        (("trainer.max_steps=900",), 16, 60),
        (("global_batch=64",), 16, 40),
        (("trainer.devices=2",), 16, 40),
        (("trainer.devices=[1,2]",), 16, 40),
        (("trainer.devices=auto",), 16, 34),
        (("data.fraction=1",), 32, 13),
    ],
)
def test_what_was_typed_goes_before(words: tuple[str, ...], batch_size: int, epochs: int, tiny: Compose) -> None:
    config = tiny(*OPEN, *words)
    fill_open_options(config, build_data(resolve_config(config)["data"]))
    assert (config.data.batch_size, config.epochs, config.trainer.max_epochs) == (batch_size, epochs, epochs)


def test_epochs_that_were_typed_go_before_those_of_a_preset(tiny: Compose) -> None:
    for words, epochs in ((("epochs=5",), 5), ((), 1), (("trainer.max_epochs=2",), 2), (("epochs=null",), 1)):
        config = tiny("trainer=smoke", *words)
        apply_typed_epochs(config, [word.partition("=")[0] for word in words])
        assert resolve_config(config)["trainer"]["max_epochs"] == epochs
    config, typed = tiny("epochs=5", "trainer.max_epochs=3"), ["epochs", "trainer.max_epochs"]
    with pytest.raises(CandelabraError, match=r"epochs=5 and trainer\.max_epochs=3 both say how long; leave one"):
        apply_typed_epochs(config, typed)
    config.resume = "run"
    apply_typed_epochs(config, typed)
    assert config.trainer.max_epochs == 3


def test_config_yaml_records_the_numbers_and_a_resumed_run_keeps_them(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    words = (
        "data.fraction=0.02",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=1",
        "trainer.limit_val_batches=1",
        "trainer.limit_test_batches=1",
    )
    run_train(tiny(*OPEN, *words, "data.fraction=0.02"))
    stored = read_run_config(tmp_path / "train")
    assert (stored["data"]["batch_size"], stored["epochs"], stored["trainer"]["max_epochs"]) == (16, 1, 1)
    assert "25 training images: batch 16, epochs 1, optimizer steps 1 (data.batch_size chosen by" in caplog.text
    assert "optimizer steps are few" not in caplog.text  # they were limited on purpose
    run_train(tiny(f"resume={tmp_path / 'train'}"))
    assert read_run_config(tmp_path / "train")["data"]["batch_size"] == 16


@pytest.mark.parametrize(
    ("words", "length"),
    [
        (["global_batch=32"], "epochs 40, optimizer steps 40"),
        (["trainer.accumulate_grad_batches=2"], "epochs 40, optimizer steps 40"),
        (["trainer.limit_train_batches=0.5"], "epochs 40, optimizer steps 40"),
        (["trainer.max_steps=30"], "epochs 40, optimizer steps 30"),
        (["trainer.max_steps=90", "trainer.limit_train_batches=1"], "epochs 90, optimizer steps 90"),
    ],
)
def test_steps_are_those_that_a_run_takes(
    words: list[str], length: str, tiny: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = tiny("data=shapes", "data.count=60", "data.batch_size=16", "epochs=null", *words)
    data = build_data(resolve_config(config)["data"])
    fill_open_options(config, data)
    assert sum(share.quota for share in data.shares) == 42
    assert f"{length} (epochs chosen" in caplog.text


def test_a_folder_is_read_and_recognized_once(tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    persons = [f"{first}_{last}" for first in ("Ana", "Al", "Adam") for last in ("Gore", "Brody", "Naimi", "Guevara")]
    for number in range(48):
        write_image(tmp_path / "faces" / ("happy", "sad")[number % 2] / f"{persons[number // 4]}_{number % 4}.jpg")
    limits = ("trainer.max_epochs=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1")
    run_train(tiny("data=auto", f"data.root={tmp_path / 'faces'}", "data.batch_size=null", "data.size=32", *limits))
    assert caplog.text.count("looks like data=folder") == 1
    assert caplog.text.count("beginning of file names in several splits: ") == 1
