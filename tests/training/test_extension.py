"""A resumed run with more epochs: the schedule of the new length goes on, and the history is continued."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.training.checkpointing import StepSeeding
from candelabra.training.resume import continue_run
from tests.conftest import Compose
from tests.small_runs import composed

SMALL = ("task=classification", "data.count=60", "data.batch_size=16", "data.size=32")


def extend(run: Path, epochs: int, *words: str) -> None:
    run_train(composed("train", *SMALL, *words, f"resume={run}", f"folder={run}", f"epochs={epochs}"))


def read_rates(run: Path) -> dict[int, float]:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    name = next(key for key in rows[0] if key.startswith("lr-") and key.endswith("heads"))
    return {int(row["step"]): float(row[name]) for row in rows if row[name]}


def read_weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def patch_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Hydra's command line, a run has the words that changed."""
    monkeypatch.setattr("candelabra.commands.train.detach_hydra", lambda config: [f"epochs={config.epochs}"])


def test_at_a_constant_rate_it_ends_as_the_longer_run_does(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_words(monkeypatch)
    words = ("scheduler=constant", "scheduler.warmup=0")
    run_train(tiny(*SMALL, *words, "epochs=2", f"folder={tmp_path / 'long'}"))
    run_train(tiny(*SMALL, *words, "epochs=1", f"folder={tmp_path / 'run'}"))
    extend(tmp_path / "run", 2, *words)
    whole, extended = read_weights(tmp_path / "long"), read_weights(tmp_path / "run")
    assert [key for key, value in whole.items() if not torch.equal(value, extended[key])] == []
    assert json.loads((tmp_path / "run" / "results.json").read_text())["epochs"] == 2
    assert read_rates(tmp_path / "run").keys() == read_rates(tmp_path / "long").keys()


@pytest.mark.parametrize("scheduler", ["one_cycle", pytest.param("cosine", marks=pytest.mark.slow)])
def test_the_rate_is_that_of_the_longer_run_from_there_on(
    scheduler: str, tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    patch_words(monkeypatch)
    run_train(tiny(*SMALL, f"scheduler={scheduler}", "epochs=3", f"folder={tmp_path / 'long'}"))
    run_train(tiny(*SMALL, f"scheduler={scheduler}", "epochs=1", f"folder={tmp_path / 'run'}"))
    first = read_rates(tmp_path / "run")
    extend(tmp_path / "run", 3, f"scheduler={scheduler}")
    rates, wanted = read_rates(tmp_path / "run"), read_rates(tmp_path / "long")
    assert {step: rates[step] for step in first} == first
    later = {step: rate for step, rate in wanted.items() if step not in first}
    assert {step: rates[step] for step in later} == pytest.approx(later, rel=1e-6)
    assert "epochs 2 to 3 follow the schedule of a run of 3 epochs; the learning rate of the heads" in caplog.text


def test_stages_that_learned_before_an_extension_are_not_served_from_the_cache(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_words(monkeypatch)
    # of 3 epochs the stages thaw within two; of 12 all are frozen again in the fourth
    words = ("finetune=gradual", "finetune.every=null", "finetune.over=0.9", "data.augment=none", "data.batch_size=8")
    for name, gigabytes in (("images", 0), ("cached", 1)):
        run_train(tiny(*SMALL, *words, "epochs=3", f"folder={tmp_path / name}", f"cache.gigabytes={gigabytes}"))
        extend(tmp_path / name, 12, *words, f"cache.gigabytes={gigabytes}")
    images, cached = read_weights(tmp_path / "images"), read_weights(tmp_path / "cached")
    assert [key for key, value in images.items() if not torch.equal(value, cached[key])] == []


@pytest.mark.slow
def test_a_kill_after_the_extension_changes_nothing(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_words(monkeypatch)
    words = ("scheduler=one_cycle", "save.steps=1")
    run_train(tiny(*SMALL, *words, "epochs=1", f"folder={tmp_path / 'whole'}"))
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    extend(tmp_path / "whole", 3, *words)
    begin = StepSeeding.on_train_batch_start

    def fail(self: StepSeeding, trainer: L.Trainer, *rest: Any) -> None:
        if trainer.fit_loop.total_batch_idx == 3:
            raise RuntimeError("killed")
        begin(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(StepSeeding, "on_train_batch_start", fail)
        with pytest.raises(RuntimeError, match="killed"):
            extend(tmp_path / "killed", 3, *words)
    extend(tmp_path / "killed", 3, *words)
    whole, killed = read_weights(tmp_path / "whole"), read_weights(tmp_path / "killed")
    assert [key for key, value in whole.items() if not torch.equal(value, killed[key])] == []
    assert read_rates(tmp_path / "killed") == read_rates(tmp_path / "whole")


def test_a_plateau_goes_on_and_patience_counts_anew(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_words(monkeypatch)
    words = ("scheduler=plateau", "scheduler.patience=0", "scheduler.warmup=0", "patience=1", "lr=1e-12")
    run_train(tiny(*SMALL, *words, "epochs=9"))
    run = tmp_path / "train"
    stopped = json.loads((run / "results.json").read_text())["epochs"]
    assert stopped < 9
    extend(run, stopped + 1, *words)
    assert json.loads((run / "results.json").read_text())["epochs"] == stopped + 1
    rates = list(read_rates(run).values())
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]


def test_a_length_that_is_trained_already_and_missing_states_are_refused(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_words(monkeypatch)
    run_train(tiny(*SMALL, "epochs=2"))
    run = tmp_path / "train"
    with pytest.raises(CandelabraError, match=r"epochs=1 with resume=.* has trained 2 epochs, .* set epochs=3 or more"):
        extend(run, 1)
    with pytest.raises(CandelabraError, match=r"best.ckpt holds weights alone|holds weights alone"):
        continue_run(tiny(f"resume={run / 'checkpoints' / 'best.ckpt'}", "epochs=3"), ["epochs=3"])
    shutil.copytree(run, tmp_path / "weights_alone")
    (tmp_path / "weights_alone" / "checkpoints" / "last.ckpt").unlink()
    for words in ([], ["epochs=3"]):
        with pytest.raises(CandelabraError, match=r"has no last.ckpt, .*; weights=.*weights_alone begins another run"):
            continue_run(tiny(f"resume={tmp_path / 'weights_alone'}", *words), words)
