"""A run as a trial: what it tells the study, and how it ends early."""

from pathlib import Path
from unittest.mock import Mock

import optuna
import pytest

from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.training.callbacks.pruning import RUN_METRICS, TrialPruning, make_pruning
from hydra_plugins.candelabra_sweeper import JobContext
from hydra_plugins.candelabra_sweeper._trial import TRIAL
from tests.conftest import Compose

MEDIAN = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 1}
SMALL = ("task=classification", "data.count=40", "data.size=32", "epochs=3")


def job(monkeypatch: pytest.MonkeyPatch, told: JobContext) -> None:
    monkeypatch.setenv(TRIAL, told.words())


def test_a_hopeless_run_ends_early_and_the_study_knows_why(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=storage, study_name="name", direction="maximize")
    good = study.ask()
    good.report(2.0, 0)
    study.tell(good, 2.0)
    study.ask()
    job(monkeypatch, JobContext({"val/score": "maximize"}, "folder", "name", storage, 1, MEDIAN))
    with pytest.raises(optuna.TrialPruned, match="after epoch 0"):
        run_train(tiny(*SMALL))
    assert list(study.trials[1].intermediate_values) == [0]
    assert 0 <= study.trials[1].intermediate_values[0] <= 1
    assert not (tmp_path / "train" / "results.json").exists()


def test_what_is_not_measured_is_refused_before_training(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job(monkeypatch, JobContext({"val/mask/iou": "maximize"}, "folder"))
    with pytest.raises(CandelabraError, match=r"val/mask/iou is not measured here; allowed are val/"):
        run_train(tiny(*SMALL))
    assert not (tmp_path / "train" / "checkpoints").exists()


def test_a_run_that_is_no_job_and_one_that_is_not_pruned_have_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_pruning(["val/score"]) == []
    job(monkeypatch, JobContext({"val/score": "maximize", RUN_METRICS[0]: "minimize"}, "folder"))
    assert make_pruning(["val/score"]) == []
    job(monkeypatch, JobContext({"seconds": "minimize"}, "folder", "name", "x", 1, MEDIAN))
    with pytest.raises(CandelabraError, match="seconds is known at the end alone"):
        make_pruning(["val/score"])
    job(monkeypatch, JobContext({"val/score": "maximize"}, "folder", "name", "x", 1, MEDIAN))
    (callback,) = make_pruning(["val/score"])
    assert isinstance(callback, TrialPruning)


def test_a_study_that_cannot_be_opened_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = f"sqlite:///{tmp_path}/gone/study.db"
    job(monkeypatch, JobContext({"val/score": "maximize"}, "folder", "name", nowhere, 1, MEDIAN))
    callback = TrialPruning("val/score")
    callback.on_fit_start(Mock(is_global_zero=True), Mock())
    assert callback.trial is None
    assert "the study does not answer" in caplog.text
