"""The plan of a run: known before training, equal to what training then does, refused where it would be idle."""

import csv
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from candelabra.backbones import Timm
from candelabra.commands.plan import run_plan as plan_command
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning, Frozen, Gradual, LpFt
from candelabra.optim.schedule_plan import SchedulePlan, make_schedule_plan
from candelabra.optim.schedulers import constant, cosine, one_cycle, plateau
from candelabra.report.plan import ShowPlan, draw_plan, print_plan, write_plan
from tests.conftest import Compose
from tests.finetuning.runs import STRATEGIES, data, task, tiny, trainer

pytestmark = pytest.mark.figures
SGD = partial(torch.optim.SGD, lr=0.1)


class Watch(L.Callback):
    """The highest rate of each stage that learns, in each epoch, as training does it."""

    def __init__(self) -> None:
        self.rates: list[dict[int, float]] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.rates.append({})

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        rate_of = {p: group["lr"] for group in trainer.optimizers[0].param_groups for p in group["params"]}
        for index, stage in enumerate(pl_module.backbone.stages):
            rates = [rate_of[p] for m in stage for p in m.parameters(recurse=False) if p.requires_grad]
            if rates:
                self.rates[-1][index] = max(self.rates[-1].get(index, 0), *rates)


@pytest.mark.parametrize("scheduler", [constant, cosine, one_cycle, plateau, None])
@pytest.mark.parametrize("strategy", [Gradual(), STRATEGIES["discriminative"]], ids=["gradual", "discriminative"])
def test_training_does_what_was_planned(strategy: FineTuning, scheduler: object, tmp_path: Path) -> None:
    model, watch = task(strategy, scheduler), Watch()
    fitted = trainer(3, tmp_path, callbacks=[watch])
    fitted.fit(model, data())
    plan = model.plan()
    assert plan.names == [*(f"backbone/stage{index}" for index in range(5)), "heads"]
    for index, planned in enumerate(plan.rates[:-1]):
        done = [epoch.get(index) for epoch in watch.rates]
        assert [rate is None for rate in done] == [rate is None for rate in planned]
        assert [r for r in done if r] == pytest.approx([r for r in planned if r])


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_has_a_plan_and_frozen_parts_show_in_it(name: str) -> None:
    strategy = STRATEGIES[name]
    plan = make_schedule_plan(tiny(), strategy, SGD, None, 12)
    assert plan.epochs == 12
    assert plan.rates[-1] == pytest.approx([0.1] * 12)
    if name != "adapters" and not strategy.layerwise:
        for epoch in range(12):
            frozen = [plan.rates[stage][epoch] is None for stage in range(5)]
            assert frozen.count(True) == strategy.frozen_stages(epoch, 12, 5)


def test_a_part_in_which_nothing_may_learn_is_frozen_in_the_plan() -> None:
    plan = make_schedule_plan(tiny("test_vit"), STRATEGIES["norm_only"], SGD, None, 2)
    assert plan.rates[0] == pytest.approx([0.1, 0.1])
    vgg = Timm("test_resnet", weights="none")
    vgg.stages = [[m for m in vgg.modules() if isinstance(m, torch.nn.Conv2d)], [*vgg.modules()]]
    assert make_schedule_plan(vgg, STRATEGIES["norm_only"], SGD, None, 2).rates[0] == [None, None]


@pytest.mark.parametrize(
    ("strategy", "epochs", "words"),
    [
        (Gradual(every=5), 4, "finetune.every thaws no stage within epochs=4.*; set epochs=6 or more"),
        (Gradual(every=None, over=0.9), 1, "finetune.over thaws no stage within epochs=1.*; set epochs=2 or more"),
        (LpFt(share=0.8), 4, "finetune.share thaws no stage within epochs=4.*; set epochs=5 or more"),
    ],
)
def test_what_would_be_frozen_unawares_is_refused_in_words(strategy: FineTuning, epochs: int, words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        make_schedule_plan(tiny(), strategy, SGD, None, epochs)


def test_frozen_on_purpose_is_not_refused_and_nothing_at_all_is() -> None:
    make_schedule_plan(tiny(), Frozen(), SGD, None, 1)
    with pytest.raises(CandelabraError, match="lr=0: nothing would learn; set lr above 0"):
        make_schedule_plan(tiny(), Frozen(), partial(torch.optim.SGD, lr=0.0), None, 1)


def test_a_library_run_is_refused_as_well_before_a_step(tmp_path: Path) -> None:
    model = task(Gradual(every=9))
    fitted = trainer(2, tmp_path)
    with pytest.raises(CandelabraError, match="thaws no stage within epochs=2"):
        fitted.fit(model, data(40))
    assert fitted.global_step == 0


def test_columns_of_a_long_run_stand_for_ranges_that_keep_the_thaws() -> None:
    plan = make_schedule_plan(tiny(), Gradual(every=20), SGD, one_cycle, 500)
    spans = plan.ranges(8)
    assert [epoch for span in spans for epoch in span] == list(range(500))
    assert len(spans) == 8
    assert {0, 20, 40, 60, 80, 100} <= {span[0] for span in spans}
    assert [len(span) for span in plan.ranges(3)] == [166, 167, 167]
    assert plan.peak(0, range(100)) is None
    assert plan.peak(0, range(90, 110)) == max(rate for rate in plan.rates[0][100:110] if rate)
    assert [list(span) for span in SchedulePlan(["heads"], [[1.0, 1.0]]).ranges(9)] == [[0], [1]]


@pytest.mark.parametrize("epochs", [1, 10, 300])
def test_the_table_fits_a_terminal(
    epochs: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_plan(make_schedule_plan(tiny("test_vit"), STRATEGIES["layerwise"], SGD, one_cycle, epochs))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 110
    assert any("heads" in line for line in lines)


def test_a_run_prints_its_plan_and_draws_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    trainer(2, tmp_path, callbacks=[ShowPlan(tmp_path)]).fit(task(Gradual()), data(40))
    assert "optimizer steps are few" in caplog.text
    printed = capsys.readouterr().out
    assert "frozen" in printed
    assert "backbone/stage4" in printed
    assert (tmp_path / "pictures" / "plan.png").stat().st_size > 5000
    caplog.clear()
    limited = trainer(2, tmp_path, callbacks=[ShowPlan(tmp_path)], limit_train_batches=2)
    limited.fit(task(Gradual()), data(40))
    assert "optimizer steps are few" not in caplog.text


@pytest.mark.parametrize("name", ["frozen", "scratch"])
def test_pictures_and_tables_of_one_rate_alone(name: str, tmp_path: Path) -> None:
    plan = make_schedule_plan(tiny(), STRATEGIES[name], SGD, None, 1)
    draw_plan(plan, tmp_path / "new" / "plan.png")
    write_plan(plan, tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rate"] for row in rows] == [*(["" if name == "frozen" else "0.1"] * 5), "0.1"]


def test_the_command_takes_the_words_of_train_and_needs_neither_data_nor_weights(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["data=folder", "task=segmentation", "finetune=gradual", "epochs=6", "backbone.weights=hub"]
    plan_command(tiny(*words))
    written = sorted(path.name for path in (tmp_path / "train").iterdir())
    assert written == ["plan.csv", "plan.png"]
    with (tmp_path / "train" / "plan.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["part"] == "backbone/stage4"] == [*"012345"]
    assert [row["rate"] == "" for row in rows if row["part"] == "backbone/stage3"] == [True] * 2 + [False] * 4
    caplog.set_level("INFO")
    plan_command(tiny(*words, "epochs=null"))
    with (tmp_path / "train" / "plan.csv").open() as file:
        assert {row["epoch"] for row in csv.DictReader(file)} == set("0123456789")
    assert "epochs is open: on fewer than 1600 training images a run has more epochs than these" in caplog.text
    with pytest.raises(CandelabraError, match=r"trainer.max_epochs=-1: a plan needs"):
        plan_command(tiny(*words, "trainer.max_epochs=-1"))
