"""The batch of a step and its rate: a function of what was typed, not of how many processes there are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from omegaconf import OmegaConf

from candelabra.backbones import Timm
from candelabra.balancing import PCGrad
from candelabra.config.batch_scaling import count_accumulation_steps, scale_rate
from candelabra.config.build import build_data, resolve_config
from candelabra.errors import CandelabraError
from candelabra.tasks import MultiTask
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.fsdp import check_fsdp
from candelabra.training.run_files import write_run_config
from candelabra.training.trainer import make_run_trainer
from tests.conftest import Compose
from tests.data.builders import make_labels


@pytest.mark.parametrize(("ranks", "size", "steps"), [(1, 32, 8), (4, 32, 2), (8, 32, 1), (3, 4, 1)])
def test_one_step_takes_as_many_batches_as_make_the_global_batch(ranks: int, size: int, steps: int) -> None:
    assert count_accumulation_steps(ranks * size * steps, size, ranks) == steps


@pytest.mark.parametrize(
    ("batch", "size", "ranks", "words"),
    [
        (250, 32, 2, "set global_batch=192 or 256, or data.batch_size=25."),
        (16, 32, 1, "set global_batch=32 or 64, or data.batch_size=16."),
        (7, 4, 2, "set global_batch=8 or 16."),
    ],
)
def test_what_does_not_divide_is_refused_with_the_nearest_numbers(
    batch: int, size: int, ranks: int, words: str
) -> None:
    with pytest.raises(CandelabraError) as error:
        count_accumulation_steps(batch, size, ranks)
    assert str(error.value).endswith(words)


def test_rates_grow_with_the_batch_by_a_rule_that_is_named() -> None:
    assert scale_rate(0.1, "none", None, 256) == 0.1
    assert scale_rate(0.1, "linear", 1024, 256) == pytest.approx(0.4)
    assert scale_rate(0.1, "sqrt", 1024, 256) == pytest.approx(0.2)
    for rule, batch in (("linear", None), ("sqrt", 0), ("cubic", 256)):
        with pytest.raises(CandelabraError, match=f"lr_rule={rule}"):
            scale_rate(0.1, rule, batch, 256)


def test_the_rule_is_applied_once_and_never_to_a_rate_that_was_typed(tiny: Compose) -> None:
    words = ["lr=0.1", "lr_rule=linear", "global_batch=1024"]
    plain = resolve_config(tiny(*words))
    assert plain["optimizer"]["lr"] == pytest.approx(0.4)
    assert plain["lr"] == 0.1
    assert resolve_config(OmegaConf.create(plain))["optimizer"]["lr"] == pytest.approx(0.4)  # as further processes do
    assert resolve_config(tiny(*words, "optimizer.lr=0.3"))["optimizer"]["lr"] == 0.3


def test_a_run_accumulates_up_to_the_global_batch(tiny: Compose, tmp_path: Path) -> None:
    plain = resolve_config(tiny("global_batch=64"))
    assert make_run_trainer(plain, build_data(plain["data"]), [], Throughput(), []).accumulate_grad_batches == 4


def test_several_machines_need_something_that_starts_their_processes(tiny: Compose, tmp_path: Path) -> None:
    plain = resolve_config(tiny("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.num_nodes=2"))
    with pytest.raises(CandelabraError, match="use trainer=torchrun under torchrun"):
        make_run_trainer(plain, build_data(plain["data"]), [], Throughput(), [])


def test_processes_that_would_each_train_alone_are_refused(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(key, value)
    plain = resolve_config(tiny())
    with pytest.raises(CandelabraError, match=r"torchrun started 2 processes.*add trainer=torchrun"):
        make_run_trainer(plain, build_data(plain["data"]), [], Throughput(), [])


def test_of_two_runs_that_begin_at_once_one_gets_the_folder(tiny: Compose, tmp_path: Path) -> None:
    plain = resolve_config(tiny("data.count=20"))
    write_run_config(plain, tmp_path / "run")
    with pytest.raises(CandelabraError, match="taken by another run"):
        write_run_config(plain, tmp_path / "run")
    write_run_config({**plain, "resume": str(tmp_path / "run")}, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "callbacks", "words"),
    [
        ({"balance": PCGrad}, [], "This balance weighs gradients"),
        ({}, [EMAWeightAveraging(decay=0.9)], "This ema averages weights"),
    ],
)
def test_weights_are_not_divided_where_they_are_needed_whole(
    options: dict[str, Any], callbacks: list[Any], words: str, backbone: Timm
) -> None:
    task = MultiTask(backbone, make_labels(classes=("a", "b"), box=True), **options)
    judging = SimpleNamespace(callbacks=callbacks, state=SimpleNamespace(fn=TrainerFn.VALIDATING))
    with pytest.raises(CandelabraError, match=words):
        check_fsdp(task, judging)
