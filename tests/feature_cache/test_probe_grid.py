"""A probe trains a grid of heads at once, keeps the best on validation, and leaves an ordinary run behind."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch

from candelabra.commands.eval import run_eval
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.finetuning import Probe
from candelabra.training.resume import begin_run
from tests.conftest import Compose
from tests.feature_cache.test_datamodule import SMOOTH
from tests.rounding import rounds_alike_in_small_batches

PROBE = ("finetune=probe", "data.count=60", "data.size=32", "task=segmentation", "epochs=12")


@pytest.mark.figures
def test_a_probe_learns_and_its_checkpoint_evaluates_to_the_same_numbers(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*PROBE, "finetune.rates=[1e-6,0.03]", "finetune.decays=[0,0.1]"))
    run = tmp_path / "train"
    results = json.loads((run / "results.json").read_text())
    with (run / "probe.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["rate"]), float(row["decay"])) for row in rows] == [
        (1e-6, 0),
        (1e-6, 0.1),
        (0.03, 0),
        (0.03, 0.1),
    ]
    kept = [row for row in rows if row["kept"] == "1"]
    assert len(kept) == 1
    assert float(kept[0]["rate"]) == 0.03
    scores = [float(row["val/score"]) for row in rows]
    assert float(kept[0]["val/score"]) == max(scores) > scores[0] + 0.1
    assert results["val/score"] == pytest.approx(float(kept[0]["val/score"]))
    assert results["val/loss"] == pytest.approx(float(kept[0]["val/loss"]), rel=1e-5)
    assert (run / "pictures" / "probe.png").is_file()
    run_eval(tiny(f"checkpoint={run}", "trainer.enable_progress_bar=false", command="eval"))
    again = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert again == {key: value for key, value in results.items() if key.startswith("test/")}


def test_a_copy_of_the_grid_is_trained_as_if_it_were_alone(tiny: Compose, tmp_path: Path) -> None:
    probe = ("finetune=probe", "finetune.decays=[0.1]")
    small = ("epochs=3", "data.count=50", "data.size=32", "data.batch_size=8")
    words = (*probe, SMOOTH, *small, "trainer.gradient_clip_val=0.5")
    run_train(tiny(*words, "finetune.rates=[0.01,1e-9]", f"folder={tmp_path / 'two'}"))
    run_train(tiny(*words, "finetune.rates=[0.01]", f"folder={tmp_path / 'one'}", "cache.gigabytes=0"))
    two, one = (
        torch.load(tmp_path / name / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("two", "one")
    )
    with (tmp_path / "two" / "probe.csv").open() as file:
        assert [row["kept"] for row in csv.DictReader(file)] == ["1", "0"]
    if rounds_alike_in_small_batches():
        assert all(torch.allclose(value, two[key]) for key, value in one.items() if value.is_floating_point())
    else:  # of the run without a cache, features are computed in batches of another size
        found = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("two", "one")]
        losses = [[each[f"{split}/loss"] for split in ("val", "test")] for each in found]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.augment=light"], "finetune=probe learns from features .* data.augment=none, or data.views=4"),
        (["finetune.rates=[]"], "finetune.rates"),
        (["finetune.decays=[-1]"], r"finetune.decays=\[-1"),
        (["ema=0.9"], "ema=0.9 has no effect with finetune=probe.*leave it out"),
        (["patience=0"], "patience=0 has no effect"),
        (["monitor=val/loss"], "monitor=val/loss has no effect"),
        (["explain.every=2"], "explain.every=2 has no effect"),
        (["save.steps=2"], "save.steps=2 has no effect"),
        (["save.keep=3"], "save.keep=3 has no effect"),
        (["scheduler=plateau"], "scheduler=plateau has no effect"),
    ],
)
def test_what_cannot_be_probed_is_refused_in_words(overrides: list[str], words: str, tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=words):
        run_train(tiny("finetune=probe", "data.count=50", *overrides))


@pytest.mark.parametrize(
    ("word", "grid"),
    [
        ("lr=auto", "finetune.rates"),
        ("++optimizer.lr=0.1", "finetune.rates"),
        ("lr_rule=sqrt", "finetune.rates"),
        ("optimizer.weight_decay=0.1", "finetune.decays"),
    ],
)
def test_a_rate_that_was_typed_is_refused_and_one_of_a_file_is_not(word: str, grid: str, tiny: Compose) -> None:
    config = tiny("finetune=probe", "lr=0.1", "optimizer.weight_decay=0.1")  # as an experiment would set them
    begin_run(config, ["finetune=probe"])
    with pytest.raises(CandelabraError, match=rf"{re.escape(word)} has no effect .* tries each of {grid} instead"):
        begin_run(config, ["finetune=probe", word])
    begin_run(tiny("lr=0.1"), [word])


def test_of_equal_scores_the_lower_loss_wins() -> None:
    from candelabra.feature_cache.probe_grid import ProbeTrial

    assert (
        max(
            ProbeTrial(1, 0, 0.9, 0.5), ProbeTrial(2, 0, 0.9, 0.4), ProbeTrial(3, 0, 0.8, 0.1), key=lambda t: t.rank
        ).rate
        == 2
    )
    assert Probe().frozen_stages(7, 9, 5) == 5
