"""What the terminal shows of a training, and the losses that are logged of short epochs."""

import csv
import re
import sys
from pathlib import Path

import pytest

from candelabra.commands.train import run_train
from tests.conftest import Compose

SMALL = ("task=classification", "data.count=60", "data.batch_size=8", "data.size=32", "epochs=3", "lr=1e-12")


def read_rows(printed: str) -> list[list[str]]:
    """The cells of the rows of the epochs."""
    lines = (line.rpartition("\r")[2] for line in printed.split("\n"))
    return [line.split() for line in lines if re.match(r" +\d/3 ", line)]


def read_losses(folder: Path) -> list[tuple[int, float]]:
    with (folder / "metrics.csv").open() as file:
        return [
            (int(float(row["epoch"])), float(row["train/loss"])) for row in csv.DictReader(file) if row["train/loss"]
        ]


def test_each_epoch_has_a_row_with_the_mean_loss_of_its_steps(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run_train(tiny(*SMALL, "trainer.enable_progress_bar=true"))
    printed = capsys.readouterr().out
    rows, losses = read_rows(printed), read_losses(tmp_path / "train")
    assert [row[0] for row in rows] == ["1/3", "2/3", "3/3"]
    for epoch, row in enumerate(rows):
        of_epoch = [loss for number, loss in losses if number == epoch]
        assert len(of_epoch) == 5
        assert float(row[1]) == pytest.approx(sum(of_epoch) / 5, abs=1e-4)
    with (tmp_path / "train" / "metrics.csv").open() as file:
        scores = [float(row["val/score"]) for row in csv.DictReader(file) if row["val/score"]]
    assert [float(row[3]) for row in rows] == pytest.approx(scores[:3], abs=1e-4)
    assert rows[-1][-2:] == ["0.0", "s"]
    assert "\repoch 3/3, validation" in printed
    bar = re.findall(r"\repoch 2/3: [^\r]*, loss=(\d\.\d{4})", printed)
    numbers = [loss for _, loss in losses]
    assert 0.5 * min(numbers) < float(bar[-1]) < 2 * max(numbers)
    assert re.search(r"\repoch 2/3: [^\r]*<\d\d:\d\d", printed)  # time that the epoch needs yet
    assert "\x1b[A" not in printed  # never a second bar below the first
    assert "\n" not in printed[printed.index("1/3") : printed.index("2/3")].replace("\n", "", 1)  # but for the row


def test_the_loss_of_a_row_does_not_depend_on_accumulation_and_no_validation_leaves_cells_empty(
    tiny: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for batches in (1, 2):
        words = [
            "trainer.enable_progress_bar=true",
            "trainer.limit_train_batches=4",
            "trainer.limit_val_batches=0",
            "overwrite=true",
        ]
        run_train(tiny(*SMALL, *words, f"trainer.accumulate_grad_batches={batches}"))
        printed = capsys.readouterr().out
        assert "\r" not in printed  # no bar where the output is no terminal
        found.append(read_rows(printed))
    assert [float(row[1]) for row in found[0]] == pytest.approx([float(row[1]) for row in found[1]], abs=2e-3)
    assert all(row[3] == "s" for row in found[0])  # behind the loss comes the time


@pytest.mark.filterwarnings("ignore:The number of training batches")  # as the command line does
def test_short_epochs_log_their_last_loss(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL))
    every = read_losses(tmp_path / "train")
    run_train(tiny(*SMALL, "trainer.log_every_n_steps=50", "overwrite=true"))
    found = read_losses(tmp_path / "train")
    assert found == [every[4], every[9], every[14]]
    run_train(tiny(*SMALL, "trainer.log_every_n_steps=50", "overwrite=true", "finetune=probe", "epochs=3"))
    assert [epoch for epoch, _ in read_losses(tmp_path / "train")] == [0, 1, 2]
