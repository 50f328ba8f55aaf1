"""`trainer.precision=auto` measures the task itself, and a run records what came of it."""

from pathlib import Path

import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.runs.run_config import read_run_config
from candelabra.tasks import Classification
from candelabra.training.precision import choose_training_precision
from candelabra.types import Sample
from tests.conftest import Compose
from tests.data.readers.test_voc import make as write_voc
from tests.data.readers.test_voc import xml

SMALL = ("data.size=32", "data.count=60", "trainer.limit_train_batches=2", "epochs=1", "trainer.precision=auto")


@pytest.mark.parametrize("chosen", ["bf16-mixed", "32-true"])
def test_a_run_records_what_was_chosen(
    chosen: str, tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candelabra.training.measured_options.choose_training_precision", lambda *_: chosen)
    run_train(tiny(*SMALL))
    assert read_run_config(tmp_path / "train")["trainer"]["precision"] == chosen
    recipe = torch.load(tmp_path / "train" / "checkpoints" / "best.ckpt", weights_only=True)["candelabra"]
    assert recipe["config"]["trainer"]["precision"] == chosen


def test_steps_of_the_task_are_measured(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    plain = resolve_config(tiny(*SMALL, "task=classification"))
    data = build_data(plain["data"])
    losses: list[torch.Tensor] = []
    learn = Classification.training_step

    def record(task: Classification, batch: Sample, number: int) -> torch.Tensor:
        losses.append(learn(task, batch, number))
        return losses[-1]

    monkeypatch.setattr(Classification, "training_step", record)
    before = torch.get_rng_state()
    assert choose_training_precision(plain, data) in ("32-true", "bf16-mixed")
    assert torch.equal(torch.get_rng_state(), before)
    assert len(losses) >= 5
    assert all(torch.isfinite(loss) for loss in losses)
    counted = len(losses)
    choose_training_precision(plain, data)
    assert len(losses) == counted


def test_ragged_targets_are_measured(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    write_voc(tmp_path, {str(n): xml(*[("a", 1, 1, 9, 9)] * (1 + n % 2)) for n in range(20)})
    words = ("epochs=1", "trainer.precision=auto", "task=localization", "data=voc", f"data.root={tmp_path}")
    plain = resolve_config(tiny(*words, "data.size=32"))
    assert choose_training_precision(plain, build_data(plain["data"])) in ("32-true", "bf16-mixed")
