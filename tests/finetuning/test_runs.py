"""What strategies do to a run: what is frozen is bit-equal, the rest learns, and a resumed run is identical."""

from functools import partial
from pathlib import Path
from typing import Literal

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import AdamW, Optimizer

from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.errors import CandelabraError
from candelabra.finetuning import Frozen, Full, Gradual, LpFt
from candelabra.optim.schedulers import constant, cosine, one_cycle, plateau
from candelabra.tasks import MultiTask, Task
from candelabra.tasks.run_length import count_epochs
from candelabra.types import Sample
from tests.finetuning.runs import STRATEGIES, StopAfter, data, task, trainer

SCHEDULERS = [constant, cosine, one_cycle, plateau]


def still(model: Task, epochs: int) -> dict[str, Tensor]:
    """Every tensor of the backbone that no epoch of a run may move."""
    strategy, stages = model.finetune, model.backbone.stages
    frozen = min(strategy.frozen_stages(epoch, epochs, len(stages)) for epoch in range(epochs))
    learners = {
        p for index in range(frozen, len(stages)) for p in model.backbone.trainable_parameters(index, strategy.kinds)
    }
    moving = {
        buffer
        for stage in ([] if strategy.keep_statistics else stages[frozen:])
        for module in stage
        if isinstance(module, _BatchNorm)
        for buffer in module.buffers(recurse=False)
    }
    state = model.backbone.state_dict(keep_vars=True)
    return {key: value.detach().clone() for key, value in state.items() if value not in learners | moving}


def changed(model: Task, before: dict[str, Tensor]) -> list[str]:
    state = model.backbone.state_dict()
    return [key for key, value in before.items() if not torch.equal(value, state[key])]


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        pytest.param(
            name,
            scheduler,
            marks=() if scheduler is cosine or name == "gradual" else pytest.mark.slow,
            id=f"{name}-{scheduler.__name__}",
        )
        for name in STRATEGIES
        for scheduler in SCHEDULERS
    ],
)
def test_every_strategy_runs_under_every_schedule_with_averaged_weights_and_clipped_gradients(
    name: str, scheduler: object, tmp_path: Path
) -> None:
    """What may learn has moved, what may not is bit-equal."""
    model = task(STRATEGIES[name], scheduler)
    frozen = still(model, 2)
    learning = {key: value.clone() for key, value in model.backbone.named_parameters() if key not in frozen}
    heads = {key: value.clone() for key, value in model.heads.named_parameters()}
    options = {"callbacks": [EMAWeightAveraging(decay=0.5)], "gradient_clip_val": 0.5}
    trainer(2, tmp_path, **options).fit(model, data(40))
    assert changed(model, frozen) == []
    assert changed(model, learning) == list(learning)
    assert all(not torch.equal(heads[key], p) for key, p in model.heads.named_parameters())


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_a_fused_optimizer_clips_under_mixed_precision(
    precision: Literal["bf16-mixed", "16-mixed"], tmp_path: Path
) -> None:
    """Lightning refuses it, in bfloat16 too, and `fused` is what conf/optimizer/adamw.yaml says."""
    norms: list[float] = []

    class Norms(L.Callback):
        def on_before_zero_grad(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
            found = [p.grad.flatten() for p in pl_module.parameters() if p.grad is not None]
            norms.extend([float(torch.cat(found).norm())] if found else [])

    model = task(Full(), constant)
    model.optimizer = partial(AdamW, lr=1e-3, fused=True)
    plugins = [MixedPrecision(precision, "cpu")]
    options = {"callbacks": [Norms()], "plugins": plugins, "gradient_clip_val": 0.01}
    trainer(2, tmp_path, **options).fit(model, data(40))
    assert norms
    assert max(norms) == pytest.approx(0.01, rel=0.02)


def test_a_frozen_backbone_is_bit_equal_after_training(tmp_path: Path) -> None:
    """Not so with requires_grad alone, where running statistics move on; features are those of evaluation."""
    model = task(Frozen(), kind=MultiTask)
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    head = {key: value.clone() for key, value in model.heads.state_dict().items()}
    trainer(2, tmp_path).fit(model, data())
    assert changed(model, before) == []
    assert any(not torch.equal(head[key], value) for key, value in model.heads.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model.backbone.train()(images).final, model.backbone.eval()(images).final)
    assert all(m.track_running_stats for m in model.backbone.modules() if isinstance(m, _BatchNorm))


def test_frozen_layers_stay_in_evaluation_whatever_mode_the_task_is_set_to() -> None:
    """A frozen encoder whose train() is not guarded drops paths at random after the next train()."""
    model = task(Frozen())
    model.backbone.freeze(len(model.backbone.stages))
    for mode in (False, True, False, True):
        model.train(mode)
        assert not any(m.training for stage in model.backbone.stages for m in stage)


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


@pytest.mark.parametrize(
    ("strategy", "scheduler"),
    [
        pytest.param(Gradual(), constant, id="gradual-constant", marks=pytest.mark.slow),
        pytest.param(Gradual(), one_cycle, id="gradual-one_cycle"),
        pytest.param(Gradual(), plateau, id="gradual-plateau", marks=pytest.mark.slow),
        pytest.param(Gradual(every=None, over=0.6), cosine, id="gradual_over-cosine"),
        pytest.param(LpFt(share=0.5), one_cycle, id="lp_ft-one_cycle"),
        pytest.param(STRATEGIES["discriminative"], plateau, id="discriminative-plateau"),
        pytest.param(STRATEGIES["adapters"], cosine, id="adapters-cosine"),
    ],
)
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(
    strategy: object, scheduler: object, tmp_path: Path
) -> None:
    """Lightning's own BackboneFinetuning freezes again after a resume, and moves no more (Lightning 21901)."""
    whole = task(strategy, scheduler)
    trainer(4, tmp_path).fit(whole, data(40))

    first = task(strategy, scheduler)
    stopped = trainer(4, tmp_path, callbacks=[StopAfter(2)])
    stopped.fit(first, data(40))
    stopped.save_checkpoint(tmp_path / "half.ckpt")
    second = task(strategy, scheduler)
    trainer(4, tmp_path).fit(second, data(40), ckpt_path=str(tmp_path / "half.ckpt"))
    for (key, value), other in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"max_epochs": 5}, 5),
        ({"max_epochs": -1, "max_steps": 7}, 3),
        ({"max_epochs": 9, "max_steps": 6}, 2),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, 3),
        ({"max_epochs": -1, "max_steps": 4, "accumulate_grad_batches": 2}, 2),
        ({"max_epochs": 4, "limit_train_batches": 1}, 4),
    ],
)
def test_a_run_knows_its_length_in_epochs(options: dict[str, object], epochs: int, tmp_path: Path) -> None:
    model = task(Full(), constant)
    stopped = trainer(1, tmp_path, callbacks=[StopAfter(1)], limit_val_batches=0, **options)
    stopped.fit(model, data())  # 3 batches an epoch
    assert count_epochs(model.trainer) == epochs


def test_a_run_without_end_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=r"trainer.max_epochs=-1 .* no end.*; set epochs or trainer.max_steps"):
        trainer(-1, tmp_path, callbacks=[StopAfter(1)]).fit(task(LpFt(), None), data(40))


def test_an_absent_target_does_not_move_its_head(tmp_path: Path) -> None:
    model = task(Full(), kind=MultiTask)
    before = {key: value.clone() for key, value in model.heads["mask"].named_parameters()}
    source = data()

    def without_mask(sample: Sample) -> Sample:
        sample["mask"].fill_(255)
        return sample

    steps = source.plan.transforms["train"].of(0).steps
    source.replace_train_transforms(TransformPipeline([*steps, without_mask], source.labels))
    trainer(1, tmp_path).fit(model, source)
    assert all(torch.equal(before[key], value) for key, value in model.heads["mask"].named_parameters())
