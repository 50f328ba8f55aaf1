"""Tasks without Hydra, as a library: they learn, and their losses are joined as said."""

from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch.optim import AdamW

from candelabra.backbones import Timm
from candelabra.balancing import BalanceFactory, Fixed, Uncertainty
from candelabra.data import Digits, Shapes
from candelabra.data.loading.datamodule import DataModule
from candelabra.errors import CandelabraError
from candelabra.finetuning import Scratch
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.heads.decoders import unet
from candelabra.optim.schedulers import one_cycle
from candelabra.tasks import Classification, Localization, MultiTask, Segmentation, Task
from candelabra.tasks import Keypoints as KeypointsTask
from tests.data.builders import make_labels

RATE = partial(AdamW, lr=8e-3, fused=True)
NARROW = partial(Mask, decoder=partial(unet, widths=(32, 16, 16, 8)))


def fit(task: Task, data: DataModule, epochs: int) -> dict[str, float]:
    trainer = L.Trainer(
        max_epochs=epochs,
        check_val_every_n_epoch=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, data)
    return {key: float(value) for key, value in trainer.test(task, data, verbose=False)[0].items()}


def shapes(count: int) -> DataModule:
    return DataModule(Shapes(count=count, canvas=32), size=32, batch_size=8, workers=0, seed=1, augment="none")


def tiny() -> Timm:
    torch.manual_seed(0)
    return Timm("test_resnet", weights="none")


@pytest.mark.slow
def test_classification_learns_real_digits() -> None:
    data = DataModule(Digits(canvas=32), size=32, batch_size=16, workers=0, flip=False, fraction=0.4)
    rate = partial(AdamW, lr=4e-3)
    results = fit(Classification(tiny(), data.labels, finetune=Scratch(), optimizer=rate, scheduler=one_cycle), data, 5)
    assert results["test/label/accuracy"] > 0.8


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({}, id="default"),
        pytest.param(
            {"dice_weight": 0.0, "focal_gamma": 2.0, "boundary_weight": 2.0}, id="focal", marks=pytest.mark.slow
        ),
        pytest.param(
            {"dice_weight": 0.0, "cross_entropy_weight": 0.0, "lovasz_weight": 1.0},
            id="lovasz",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_segmentation_learns(parts: dict[str, float]) -> None:
    data = shapes(160)
    head = partial(NARROW, **parts)
    results = fit(
        Segmentation(tiny(), data.labels, head, finetune=Scratch(), optimizer=RATE, scheduler=one_cycle), data, 4
    )
    assert results["test/mask/iou"] > 0.7


def test_localization_learns_boxes_far_better_than_a_constant() -> None:
    data = DataModule(Digits(canvas=32), size=32, batch_size=8, workers=0, flip=False, fraction=0.4, augment="none")
    rate = partial(AdamW, lr=4e-3)
    task = Localization(tiny(), data.labels, label_weight=0.5, finetune=Scratch(), optimizer=rate, scheduler=one_cycle)
    constant = constant_box_iou(data)
    results = fit(task, data, 4)
    assert results["test/box/iou"] > constant + 0.2
    assert results["test/label/accuracy"] > 0.5


def constant_box_iou(data: DataModule) -> float:
    from candelabra.heads.box_overlaps import compute_overlaps

    boxes = {s: torch.stack([data.dataset(s)[i]["box"] for i in range(len(data.parts[s]))]) for s in ("val", "test")}
    mean = boxes["val"].mean(0, keepdim=True)
    return float(compute_overlaps(mean.expand_as(boxes["test"]), boxes["test"]).mean())


def test_keypoints_learn() -> None:
    data = shapes(160)
    task = KeypointsTask(tiny(), data.labels, finetune=Scratch(), optimizer=RATE, scheduler=one_cycle)
    assert fit(task, data, 4)["test/keypoints/nme"] < 0.06  # the centre of the image gives 0.2


@pytest.mark.parametrize(
    "balance", [partial(Fixed, weights={"mask": 2.0}), pytest.param(Uncertainty, marks=pytest.mark.slow)]
)
def test_all_heads_learn_on_one_backbone(balance: BalanceFactory) -> None:
    data = shapes(160)
    heads = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": NARROW}
    task = MultiTask(tiny(), data.labels, heads, balance, Scratch(), RATE, one_cycle)
    results = fit(task, data, 4)
    assert results["test/mask/iou"] > 0.65
    assert results["test/box/iou"] > 0.35
    assert results["test/keypoints/nme"] < 0.08
    assert 0 < results["test/score"] < 1


def test_heads_follow_the_data_or_are_refused() -> None:
    labels = make_labels(classes=("a", "b"), mask_classes=("no", "yes"))
    assert set(MultiTask(tiny(), labels).heads) == {"label", "mask"}
    with pytest.raises(CandelabraError, match="'box'"):
        Localization(tiny(), labels)
    with pytest.raises(CandelabraError, match="No head is left"):
        MultiTask(tiny(), labels, {"box": Box})


@pytest.mark.filterwarnings("ignore:You are using a custom batch sampler")
def test_a_trainer_predicts_the_test_images() -> None:
    data = shapes(60)
    task = Classification(tiny(), data.labels)
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    batches: Any = trainer.predict(task, data)
    found = torch.cat([batch["label"] for batch in batches])
    task.eval()
    with torch.inference_mode():
        images = torch.stack([data.dataset("test")[index]["image"] for index in range(len(data.parts["test"]))])
        torch.testing.assert_close(found, task.predictions(images)["label"])


def test_predictions_of_images_of_any_size() -> None:
    task = MultiTask(tiny(), shapes(10).labels).eval()
    with torch.no_grad():
        found = task.predictions(torch.randint(0, 256, (2, 3, 50, 70), dtype=torch.uint8))
    assert found["label"].sum(1).tolist() == pytest.approx([1, 1])
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "label": (2, 5),
        "box": (2, 4),
        "keypoints": (2, 3, 2),
        "mask": (2, 50, 70),
    }
