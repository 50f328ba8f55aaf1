"""The heads' gradients on the backbone, inside a real task: who learns from what, and by how much."""

from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.balancing import BalanceFactory, Fixed, GradientBalance, PCGrad, StepPosition
from candelabra.balancing.gradients import SharedGradients, detach_features
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Full
from candelabra.heads import Box, Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.masked_losses import masked_losses
from candelabra.types import Features, Sample

HEADS = {"label": Label, "box": Box, "mask": Mask}


class Given(GradientBalance):
    """Weights that were chosen beforehand."""

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        self.used = torch.tensor([0.5, -2.0, 3.0])
        return torch.tensor([1.0, 1.0, 0.25]), self.used


def task(balance: BalanceFactory = Fixed) -> MultiTask:
    torch.manual_seed(0)
    labels = DataModule(Shapes(count=40, canvas=32), size=32).labels
    made = MultiTask(Timm("test_resnet", weights="none"), labels, HEADS, balance, Full(keep_statistics=True))
    made.train()
    made.backbone.freeze(0, True, made.finetune.kinds)
    return made


def batch(count: int = 12) -> Sample:
    data = DataModule(Shapes(count=60, canvas=32), size=32, batch_size=count, workers=0, augment="none")
    return next(iter(data.train_dataloader()))  # type: ignore[no-any-return]


def loss_of(one: MultiTask, samples: Sample, head: str) -> Tensor:
    """The loss of one head alone."""
    sums = masked_losses(one.named_heads(), samples, one.extract_features(samples))
    return sums.average().each[head]


def losses_of(one: MultiTask) -> dict[str, Tensor]:
    """The loss of each head in the last training step."""
    assert one.balance_state is not None
    return one.balance_state.losses


def gradients(one: MultiTask, loss: Tensor) -> dict[str, Tensor]:
    one.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in one.named_parameters() if p.grad is not None}


def test_the_backbone_gets_the_weighted_sum_and_each_head_its_own_loss() -> None:
    samples = batch()
    one = task()
    alone = {}
    for name in HEADS:
        alone[name] = gradients(one, loss_of(one, samples, name))
    other = task(Given)
    loss, losses = other.training_step(samples, 0), losses_of(other)
    wanted_loss = losses["label"] + losses["box"] + 0.25 * losses["mask"]
    assert float(loss.detach()) == pytest.approx(float(wanted_loss.detach()), rel=1e-5)
    found = gradients(other, loss)
    for key, gradient in found.items():
        if key.startswith("backbone."):
            parts = [
                w * alone[name][key] for name, w in zip(HEADS, (0.5, -2.0, 3.0), strict=True) if key in alone[name]
            ]
            wanted = torch.stack(parts).sum(0)
        else:
            wanted = alone[key.split(".")[1]][key] * (0.25 if key.startswith("heads.mask") else 1.0)
        assert torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()) + 1e-9), key


def test_mixed_precision_rounds_neither_weights_nor_their_sum() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(50))
    final = weight.view(1, -1, 1, 1) * 1.0
    features = Features([final], final, (1, 1))
    cut = detach_features(features)
    losses = [(cut.final * torch.randn(1, 50, 1, 1)).sum() for _ in range(3)]
    weights = torch.tensor([0.123456, 1000.0, -0.5])
    with torch.autocast("cpu", torch.bfloat16):
        shared = SharedGradients(losses, features, cut, [weight], lambda rows: rows)
        shared.surrogate(weights).backward()
    torch.testing.assert_close(weight.grad, (weights[:, None] * shared.rows).sum(0))
    torch.testing.assert_close(shared.gramian, shared.rows.double() @ shared.rows.double().T)


def test_the_gramian_is_that_of_the_gradients() -> None:
    samples = batch()
    one = task()
    rows = []
    for name in HEADS:
        found = gradients(one, loss_of(one, samples, name))
        rows.append(torch.cat([v.flatten() for k, v in sorted(found.items()) if k.startswith("backbone.")]).double())
    other = task(PCGrad)
    other.training_step(samples, 0)
    assert other.balance_state is not None
    matrix = other.balance_state.gramian
    wanted = torch.stack([torch.stack([a @ b for b in rows]) for a in rows])
    assert matrix is not None
    assert torch.allclose(matrix, wanted, rtol=1e-3)


@pytest.mark.parametrize("balance", [Fixed, PCGrad])
def test_a_sample_without_a_label_neither_teaches_a_head_nor_moves_its_running_statistics(
    balance: BalanceFactory,
) -> None:
    whole = batch()
    partly: Any = {**whole, "mask": whole["mask"].clone()}
    partly["mask"][6:] = 255
    few: Any = {key: value[:6] for key, value in cast(dict[str, Tensor], whole).items()}
    states: list[Any] = []
    for samples in (partly, few):
        one = task(balance)
        one.training_step(samples, 0).backward()
        losses = losses_of(one)
        grads = {name: p.grad for name, p in one.heads["mask"].named_parameters()}
        states.append((float(losses["mask"].detach()), grads, dict(one.heads["mask"].named_buffers())))
    assert states[0][0] == pytest.approx(states[1][0], rel=1e-5)
    for kind in (1, 2):
        for key, value in states[0][kind].items():
            assert torch.allclose(value.float(), states[1][kind][key].float(), rtol=1e-3, atol=1e-5), key


@pytest.mark.parametrize("balance", [Fixed, PCGrad])
def test_a_batch_without_a_label_leaves_a_head_as_it_was(balance: BalanceFactory) -> None:
    samples = batch()
    samples["mask"][:] = 255
    one = task(balance)
    before = {key: value.clone() for key, value in one.heads["mask"].state_dict().items()}
    loss, losses = one.training_step(samples, 0), losses_of(one)
    found = gradients(one, loss)
    assert float(losses["mask"].detach()) == 0
    assert all(not bool(value.any()) for key, value in found.items() if key.startswith("heads.mask"))
    assert all(torch.equal(value, before[key]) for key, value in one.heads["mask"].state_dict().items())


def test_one_labelled_sample_is_enough_for_batch_normalisation() -> None:
    samples = batch()
    samples["mask"][1:] = 255
    one = task(partial(Fixed, weights={"label": 0.0, "box": 0.0}))
    loss = one.training_step(samples, 0)
    assert float(loss.detach()) > 0
    assert gradients(one, loss)["heads.mask.classify.weight"].abs().sum() > 0
