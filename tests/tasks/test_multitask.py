"""Which heads a multi-task model has: by target, optional or required, several on one target."""

import logging

import lightning as L
import pytest

from candelabra.backbones import Timm
from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.data import DataModule, Shapes
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError
from candelabra.heads import Box, Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.loading import build_task, require_typed_heads
from tests.conftest import Compose


def labels(*targets: str) -> Labels:
    return DataModule(Shapes(count=30, canvas=32), size=32, targets=list(targets)).labels


def test_two_heads_learn_one_target_under_names_of_their_own() -> None:
    data = DataModule(Shapes(count=30, canvas=32), size=32, batch_size=8, workers=0)
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"fine": Label, "coarse": Label})
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(task, data)
    assert {"val/fine/accuracy", "val/coarse/accuracy", "val/score"} <= set(trainer.callback_metrics)


def test_an_optional_head_is_left_out_and_another_one_refused() -> None:
    heads = {"label": Label, "shape": Mask, "box": Box}
    task = MultiTask(Timm("test_resnet", weights="none"), labels("label", "mask"), heads, optional=["box"])
    assert list(task.heads) == ["label", "shape"]
    assert task.left_out == ("box",)
    with pytest.raises(CandelabraError, match=r"task\.heads\.shape: A mask head needs data that label 'mask'"):
        MultiTask(Timm("test_resnet", weights="none"), labels("label"), heads, optional=["box"])
    with pytest.raises(CandelabraError, match="the data label nothing, the heads asked for are label, shape, box"):
        MultiTask(Timm("test_resnet", weights="none"), Labels(), heads)


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("head@task.heads.mask=mask", ["label"]),
        ("task.heads.mask.dice_weight=2", ["label"]),
        ("decoder@task.heads.mask.decoder=fpn", ["label"]),
        ("+head@task.heads.coarse=label", ["label", "mask"]),
        ("task.heads={mask:{stride:4},shape:null}", ["label"]),
        ("task={heads:{mask:{dice_weight:2}}}", ["label"]),
        ("task={optional:[label]}", ["label", "mask"]),
        ("task=multitask", ["label", "mask"]),
    ],
)
def test_heads_that_were_typed_are_required(word: str, left: list[str]) -> None:
    task = {"heads": {"label": {}, "mask": {}}, "optional": ["label", "mask"]}
    assert require_typed_heads(task, [word])["optional"] == left


def test_a_default_head_that_the_data_do_not_label_is_named_before_training(
    tiny: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run_train(tiny("epochs=1", "data.count=30", "data.size=32", "data.targets=[label,box]"))
    assert "left out, because the data do not label their targets: heads keypoints, mask" in caplog.text


@pytest.mark.parametrize("balance", ["famo", "gradnorm", "uncertainty"])
def test_weights_that_need_positive_losses_are_refused_with_others(balance: str, tiny: Compose) -> None:
    plain = resolve_config(tiny("task=regression", "data=rendered_shapes", "data.count=30", f"balance={balance}"))
    labels = build_data(plain["data"]).labels
    build_task(plain, labels)
    plain["task"]["heads"]["value"]["loss"] = "gaussian_nll"
    with pytest.raises(CandelabraError, match=r"The loss of value can be below 0.* choose balance=fixed"):
        build_task(plain, labels)
