"""Interrupted is not lost: runs are killed for real, go on, and end in the weights of the run that was not."""

import csv
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from omegaconf import OmegaConf

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from candelabra.commands.train import run_train
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError
from candelabra.runs.checkpoints import list_checkpoints
from candelabra.training.checkpointing import StepSeeding
from candelabra.training.resume import continue_run
from tests.conftest import Compose
from tests.forked import run_forked
from tests.small_runs import TINY, composed

SPEEDS = ("data_wait", "images_per_second")
SMALL = ("task=classification", "data.count=60", "data.batch_size=8", "data.size=32", "epochs=3")


def in_a_process(
    words: list[str], number: int = 0, step: int = -1, times: int = 1, late: bool = False, everyone: bool = False
) -> int:
    """Trains in a process of its own that signals itself in a step; its exit code, negative for a signal."""
    settings = {"number": number, "step": step, "times": times, "late": late, "everyone": everyone}
    run = run_forked([json.dumps(settings), *words], Path.cwd(), module="tests.training.signalled_run")
    print(run.stdout, run.stderr)
    return run.returncode


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def assert_equal(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert [key for key, value in first.items() if not torch.equal(value, second[key])] == []
    results = [json.loads((run / "results.json").read_text()) for run in (one, other)]
    measured = [{key: value for key, value in each.items() if "/" in key} for each in results]
    assert measured[0] == measured[1]
    rows = []
    for run in (one, other):
        with (run / "metrics.csv").open() as file:
            rows.append(
                [sorted((k, v) for k, v in row.items() if v and k not in SPEEDS) for row in csv.DictReader(file)]
            )
    assert sorted(rows[0]) == sorted(rows[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupts."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert in_a_process([*SMALL, f"folder={run}"]) == 0
    return run


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("stopped") / "run"
    assert in_a_process([*SMALL, f"folder={run}"], signal.SIGTERM, 6) == EXIT_INTERRUPTED
    return run


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A copy, to go on with, of a run that SIGTERM has ended in its seventh step."""
    return Path(shutil.copytree(stopped_once, tmp_path / "train"))


HARDEST = (
    *SMALL,
    "backbone=test_resnet",
    "+backbone.options.drop_path_rate=0.2",
    "task.label.dropout=0.2",
    "finetune=gradual",
    "ema=0.9",
    "scheduler=one_cycle",
    "lr=0.01",
    "save.steps=2",
    "save.keep=2",
)


@pytest.mark.slow
def test_killed_after_a_stage_has_thawed_it_goes_on_from_cached_maps(tmp_path: Path) -> None:
    words = [*SMALL, "data.augment=none", "finetune=gradual", "backbone=test_resnet", "epochs=6", "save.steps=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 13) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


def test_killed_in_mid_epoch_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*HARDEST, f"folder={whole}"]) == 0
    words = [*HARDEST, f"folder={killed}", "data.workers=1"]
    assert in_a_process(words, signal.SIGKILL, 8) == -signal.SIGKILL
    assert len(list_checkpoints(killed)) == 2
    assert in_a_process([f"resume={killed}"], signal.SIGKILL, 12, late=True) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


def test_a_signal_to_all_processes_of_a_run_is_answered_like_one_to_the_first(tmp_path: Path) -> None:
    words = [*SMALL, "data.workers=1", f"folder={tmp_path / 'run'}"]
    assert in_a_process(words, signal.SIGTERM, 7, everyone=True) == EXIT_INTERRUPTED
    assert in_a_process([f"resume={tmp_path / 'run'}"]) == 0


@pytest.mark.parametrize(
    "balance",
    [
        pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(path.stem for path in (CONFIG_FOLDER / "balance").glob("*.yaml"))
    ],
)
def test_killed_under_any_balance_it_ends_as_if_it_had_not_been(balance: str, tmp_path: Path) -> None:
    """Weights of network and balance, and what was logged of both, means over the broken epoch included."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = [
        f"balance={balance}",
        "data.count=120",
        "data.size=32",
        "epochs=3",
        "save.steps=1",
        "ema=0.9",
        "finetune=full",
    ]
    dropped = ("label", "box") if balance == "pets_faces" else ("mask", "keypoints")  # its weights name the others
    words += [*(f"task.heads.{head}=null" for head in dropped), "data.labelled=0.6", "lr=0.01"]
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 8) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


@pytest.mark.slow
def test_killed_at_ten_random_steps_it_ends_ten_times_in_the_same_weights(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert in_a_process([*HARDEST, f"folder={whole}"]) == 0
    steps = 15
    chance = random.Random(0)
    for turn in range(10):
        run = tmp_path / str(turn)
        words = [*HARDEST, f"folder={run}", f"save.steps={chance.randint(1, 4)}", f"data.workers={turn % 2}"]
        step, late = chance.randrange(steps), chance.random() < 0.5
        assert in_a_process(words, signal.SIGKILL, step, late=late) == -signal.SIGKILL
        assert in_a_process([f"resume={run}"]) == 0
        assert_equal(whole, run)


@pytest.mark.parametrize(
    "options",
    [
        ("trainer.accumulate_grad_batches=2", "scheduler=plateau", "patience=2"),
        pytest.param(("trainer.accumulate_grad_batches=2",), marks=pytest.mark.slow),
        pytest.param(("scheduler=plateau", "patience=2"), marks=pytest.mark.slow),
    ],
)
def test_accumulation_plateau_and_patience_go_on_too(options: tuple[str, ...], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = [*SMALL, *options, "save.steps=1", "task.label.dropout=0.2"]
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 7) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


@pytest.mark.slow
def test_killed_with_blended_images_sizes_and_samplers_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = [*SMALL, "data.size=64", "save.steps=1", "data.mixup=0.4", "data.cutmix=1.0", "data.multiscale=[0.5,1.5]"]
    words += ["data.sampler=balanced", "data.augment=strong", "data.erase=0.3", "data.labelled=0.7", "data.folds=4"]
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}", "data.workers=1"], signal.SIGKILL, 8) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


def assert_saved_once_and_goes_on(stopped: Path, whole: Path) -> None:
    assert len(list_checkpoints(stopped)) == 1
    assert torch.load(list_checkpoints(stopped)[0], weights_only=True)["global_step"] == 7
    assert in_a_process([f"resume={stopped}"]) == 0
    assert_equal(whole, stopped)


def test_a_signal_saves_once_and_has_an_exit_code_of_its_own(stopped: Path, whole: Path) -> None:
    assert_saved_once_and_goes_on(stopped, whole)


@pytest.mark.slow
def test_the_signal_of_the_keyboard_saves_once_too(whole: Path, tmp_path: Path) -> None:
    assert in_a_process([*SMALL, f"folder={tmp_path / 'run'}"], signal.SIGINT, 6) == EXIT_INTERRUPTED
    assert_saved_once_and_goes_on(tmp_path / "run", whole)


def test_a_second_signal_stops_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_a_process([*SMALL, f"folder={tmp_path / 'run'}"], signal.SIGINT, 3, times=2) == -signal.SIGINT
    assert "a second signal stops at once" in capsys.readouterr().out
    assert list_checkpoints(tmp_path / "run") == []


@pytest.mark.slow
def test_slurm_requeues_and_the_same_words_go_on(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "scontrol").write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/asked\n")
    (tools / "scontrol").chmod(stat.S_IRWXU)
    cluster = {"PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "17", "CANDELABRA_CACHE": str(tmp_path)}
    words = ["train", *TINY, *SMALL, "data.count=60", "epochs=20", "save.minutes=0.005"]
    command = [sys.executable, "-m", "candelabra", *words]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, env={**os.environ, **cluster}, cwd=tmp_path, stdout=said, stderr=said)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == EXIT_INTERRUPTED, (tmp_path / "said").read_text()
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    again = {**os.environ, **cluster, "SLURM_RESTART_COUNT": "1"}
    done = subprocess.run(command, env=again, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    runs = list(tmp_path.glob("runs/*"))
    assert len(runs) == 1
    assert json.loads((runs[0] / "results.json").read_text())["epochs"] == 20


def test_a_full_disk_is_named_and_the_checkpoint_before_it_stays(stopped: Path) -> None:
    run = stopped
    before = list_checkpoints(run)[0].read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limit[1]))
    try:
        with pytest.raises(CandelabraError, match=r"last.ckpt cannot be written .* go on with resume="):
            run_train(composed("train", f"resume={run}", f"folder={run}"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list_checkpoints(run)[0].read_bytes() == before
    assert not list(run.rglob("*.part"))
    run_train(composed("train", f"resume={run}", f"folder={run}"))
    assert json.loads((run / "results.json").read_text())["epochs"] == 3


def test_a_torn_checkpoint_is_named_with_the_one_before_it(tiny: Compose, tmp_path: Path) -> None:
    run = tmp_path / "train"
    run_train(tiny(*SMALL, "epochs=1", "save.steps=2", "save.keep=2"))
    last, earlier = list_checkpoints(run)
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(CandelabraError, match=rf"last.ckpt cannot be read .* an earlier one is {earlier}"):
        run_train(tiny(f"resume={run}"))
    run_train(tiny(f"resume={earlier}"))


def test_a_folder_that_holds_a_run_is_not_walked_into(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "epochs=1"))
    run = tmp_path / "train"
    before = (run / "checkpoints" / "best.ckpt").stat().st_mtime_ns
    with pytest.raises(CandelabraError, match=r"holds a run already .* overwrite=true"):
        run_train(tiny(*SMALL, "epochs=2"))
    assert (run / "checkpoints" / "best.ckpt").stat().st_mtime_ns == before
    with pytest.raises(CandelabraError, match="monitor=nothing"):
        run_train(tiny(*SMALL, "overwrite=true", "monitor=nothing"))
    assert (run / "checkpoints" / "best.ckpt").stat().st_mtime_ns == before
    run_train(tiny(*SMALL, "epochs=2", "overwrite=true"))
    assert json.loads((run / "results.json").read_text())["epochs"] == 2


@pytest.mark.parametrize(
    "words", [("epochs=1",), pytest.param(("epochs=9", "patience=1", "lr=1e-12"), marks=pytest.mark.slow)]
)
def test_a_finished_run_is_only_tested_again(words: tuple[str, ...], tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, *words))
    first = json.loads((tmp_path / "train" / "results.json").read_text())
    run_train(tiny(f"resume={tmp_path / 'train'}"))
    again = json.loads((tmp_path / "train" / "results.json").read_text())
    assert {k: v for k, v in first.items() if "/" in k} == {k: v for k, v in again.items() if "/" in k}
    assert first["epochs"] == again["epochs"] < 9


def test_a_run_whose_time_was_up_goes_on_in_mid_epoch(whole: Path, tiny: Compose, tmp_path: Path) -> None:
    class TimeIsUp(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *rest: object) -> None:
            trainer.should_stop = trainer.global_step == 7

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepSeeding, "on_train_batch_end", TimeIsUp.on_train_batch_end)
        run_train(tiny(*SMALL))
    run_train(tiny(f"resume={tmp_path / 'train'}"))
    wanted, cut = weights(whole), weights(tmp_path / "train")  # not the history: it was validated once more
    assert [key for key, value in wanted.items() if not torch.equal(value, cut[key])] == []


def test_words_that_change_the_result_do_not_fit_a_run_that_goes_on(stopped: Path, tiny: Compose) -> None:
    run = stopped

    def going_on(*words: str) -> dict[str, object]:
        return continue_run(tiny(f"resume={run}", *SMALL, *words), list(words))[0]

    with pytest.raises(CandelabraError, match=r"lr=0.5 does not fit resume=.* begun with lr=0.003"):
        going_on("lr=0.5")
    with pytest.raises(CandelabraError, match=r"backbone.name=test_convnext.* does not fit"):
        going_on("backbone=timm", "backbone.name=test_convnext.r160_in1k")
    changed: Any = going_on("data.workers=1", "logger=none")
    assert (changed["logger"], changed["words"]) == ({}, ["data.workers=1", "logger=none"])
    with pytest.raises(CandelabraError, match=r"task.label.* does not fit"):
        going_on("head@task.label=box")
    with pytest.raises(CandelabraError, match=r"\+experiment=camvid does not fit .* has no experiment"):
        continue_run(tiny(f"resume={run}"), ["+experiment=camvid"])
    begun: Any = OmegaConf.load(run / "config.yaml")
    begun.words = ["lr=auto"]  # which the config has a number for
    OmegaConf.save(begun, run / "config.yaml")
    again, _ = continue_run(tiny(f"resume={run}", *SMALL, "data.workers=2", "lr=1.0"), ["lr=auto", "data.workers=2"])
    assert (again["optimizer"], again["data"]["workers"]) == (changed["optimizer"], 2)
    (run / "checkpoints" / "last.ckpt").unlink()
    config, checkpoint = continue_run(tiny(f"resume={run}"), [])
    assert checkpoint is None
    assert config["epochs"] == 3


def test_a_run_that_has_moved_goes_on_where_it_is_now(
    stopped: Path, stopped_once: Path, tiny: Compose, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in stopped_once.rglob("*")}
    stopped.rename(tmp_path / "moved")
    run_train(tiny(f"resume={tmp_path / 'moved'}"))
    assert not stopped.exists()
    assert {path: path.stat().st_mtime_ns for path in stopped_once.rglob("*")} == before
    with (tmp_path / "moved" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]] == list(range(15))
