"""Strategies as functions, and what they do to a run: frozen is frozen, resumed is identical."""

from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from candelabra.backbones import Timm
from candelabra.data import Shapes
from candelabra.errors import CandelabraError
from candelabra.finetuning import Discriminative, FineTuning, Frozen, Full, Gradual, Scratch
from candelabra.schedules import constant, cosine, one_cycle, plateau
from candelabra.tasks import Classification, MultiTask, Task
from candelabra.types import Sample

STRATEGIES: dict[str, FineTuning] = {
    "scratch": Scratch(),
    "full": Full(),
    "frozen": Frozen(),
    "discriminative": Discriminative(),
    "thirds": Discriminative(shares=[0.001, 0.01]),
    "gradual": Gradual(),
}


def data() -> Shapes:
    return Shapes(count=80, size=32, canvas=32, batch_size=16, workers=0)


def task(strategy: FineTuning, scheduler: object = cosine, kind: type[Task] = Classification) -> Task:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.AdamW, lr=3e-3)
    return kind(  # type: ignore[call-arg]
        Timm("test_resnet", weights="none"),
        data().labels,
        finetune=strategy,
        optimizer=optimizer,
        scheduler=scheduler,
    )


def trainer(epochs: int, folder: Path, **options: object) -> L.Trainer:
    arguments: dict[str, object] = {
        "max_epochs": epochs,
        "accelerator": "cpu",
        "default_root_dir": str(folder),
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
    }
    return L.Trainer(**{**arguments, **options})  # type: ignore[arg-type]


def test_the_rates_of_the_notes() -> None:
    thirds = STRATEGIES["thirds"]
    assert [thirds.lr_scale(stage, 4) for stage in range(4)] == [0.001, 0.001, 0.01, 0.01]
    falling = Discriminative(decay=0.5)
    assert [falling.lr_scale(stage, 3) for stage in range(3)] == [0.125, 0.25, 0.5]


def test_gradual_thaws_from_the_top() -> None:
    assert [Gradual(every=2).frozen_stages(epoch, 3) for epoch in range(8)] == [3, 3, 2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Full(scale=0),
        lambda: Discriminative(decay=2),
        lambda: Discriminative(shares=[]),
        lambda: Gradual(every=0),
    ],
)
def test_impossible_strategies_name_their_key(make: object) -> None:
    with pytest.raises(CandelabraError, match="finetune\\."):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_parameter_is_in_one_group_at_its_rate(name: str) -> None:
    model = task(STRATEGIES[name], None)
    optimizer = model.configure_optimizers()
    grouped = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(model.parameters()))
    count = len(model.backbone.stages)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for index, stage in enumerate(model.backbone.stages):
        for parameter in (p for module in stage for p in module.parameters(recurse=False)):
            assert rates[id(parameter)] == pytest.approx(3e-3 * STRATEGIES[name].lr_scale(index, count))
            assert (decays[id(parameter)] == 0) == (parameter.ndim <= 1)
    assert all(rates[id(p)] == 3e-3 for p in model.heads.parameters())


def test_a_frozen_backbone_is_bit_equal_after_training(tmp_path: Path) -> None:
    model = task(Frozen(), kind=MultiTask)
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    head = {key: value.clone() for key, value in model.heads.state_dict().items()}
    trainer(2, tmp_path).fit(model, data())
    assert all(torch.equal(before[key], value) for key, value in model.backbone.state_dict().items())
    assert any(not torch.equal(head[key], value) for key, value in model.heads.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model.backbone.train()(images).final, model.backbone.eval()(images).final)


def test_gradual_moves_exactly_the_thawed_stages(tmp_path: Path) -> None:
    model = task(Gradual())
    stages = [[p for m in stage for p in m.parameters(recurse=False)] for stage in model.backbone.stages]
    before = [[p.clone() for p in stage] for stage in stages]
    trainer(3, tmp_path).fit(model, data())  # epochs 0, 1, 2: two stages have thawed
    moved = [
        any(not torch.equal(a, b) for a, b in zip(old, new, strict=True))
        for old, new in zip(before, stages, strict=True)
    ]
    assert moved == [False, False, False, True, True]


@pytest.mark.parametrize("scheduler", [constant, cosine, one_cycle, plateau])
@pytest.mark.parametrize("name", ["gradual", "discriminative"])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(name: str, scheduler: object, tmp_path: Path) -> None:
    """Lightning's own BackboneFinetuning freezes again after a resume, and moves no more (Lightning 21901)."""
    whole = task(STRATEGIES[name], scheduler)
    trainer(4, tmp_path).fit(whole, data())

    first = task(STRATEGIES[name], scheduler)
    stopped = trainer(4, tmp_path, callbacks=[StopAfter(2)])
    stopped.fit(first, data())
    stopped.save_checkpoint(tmp_path / "half.ckpt")
    second = task(STRATEGIES[name], scheduler)
    trainer(4, tmp_path).fit(second, data(), ckpt_path=str(tmp_path / "half.ckpt"))
    for (key, value), other in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


class StopAfter(L.Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 == self.epochs


def test_an_absent_target_does_not_move_its_head(tmp_path: Path) -> None:
    model = task(Full(), kind=MultiTask)
    before = {key: value.clone() for key, value in model.heads["mask"].named_parameters()}
    source = data()
    source.open()

    whole = source.pipelines["train"]

    def without_mask(sample: Sample) -> Sample:
        sample = whole(sample)
        sample["mask"].fill_(255)
        return sample

    source.pipelines["train"] = without_mask  # type: ignore[assignment]
    trainer(1, tmp_path).fit(model, source)
    assert all(torch.equal(before[key], value) for key, value in model.heads["mask"].named_parameters())
