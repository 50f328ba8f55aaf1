"""The path of a step: which functions of the package lie between the trainer and a head's loss."""

import lightning as L
import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.balancing import BalanceFactory, Famo, Fixed, PCGrad
from candelabra.data import DataModule, Shapes
from candelabra.heads import Box, Label
from candelabra.tasks import MultiTask
from tests.tasks.frames import own_frames

PATH = ["masked_losses", "Label.loss"]


@pytest.mark.parametrize("balance", [Fixed, PCGrad, Famo])
def test_only_the_step_and_masked_losses_lie_between_the_trainer_and_a_loss(
    balance: BalanceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[list[str]] = []

    def cross_entropy(*args: object, **kwargs: object) -> Tensor:
        paths.append(own_frames())
        return original(*args, **kwargs)

    original = torch.nn.functional.cross_entropy
    monkeypatch.setattr("torch.nn.functional.cross_entropy", cross_entropy)
    data = DataModule(Shapes(count=30, canvas=32), size=32, batch_size=16, workers=0)
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, "box": Box}, balance)
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    wanted = [
        ["Task.training_step", *PATH],
        ["Task.validation_step", *PATH],
        ["Task.test_step", "measure_batch", *PATH],
    ]
    again = ["Task._evaluate_again", *PATH]  # FAMO asks for the losses after the step
    assert [path for path in paths if path not in [*wanted, again]] == []
    assert all(path in paths for path in wanted)
    assert (again in paths) == (balance is Famo)
