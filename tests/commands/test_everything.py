"""Every backbone of conf/ under every head: one batch forward and backward, or a refusal in words before training."""

import pytest
import torch

from candelabra.backbones import Backbone
from candelabra.config.build import build_object, resolve_config
from candelabra.environment import CONFIG_FOLDER
from candelabra.tasks import MultiTask
from tests.conftest import Compose
from tests.data.builders import make_labels

LABELS = make_labels(classes=("a", "b"), box=True, keypoints=("p", "q"), mask_classes=("no", "yes"))
NAMES = [path.stem for path in sorted((CONFIG_FOLDER / "backbone").glob("*.yaml")) if path.stem != "timm"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_head_works_on_every_backbone(name: str, tiny: Compose) -> None:
    plain = resolve_config(tiny(f"backbone={name}", "backbone.weights=none"))
    backbone: Backbone = build_object(plain["backbone"])
    task = build_object(plain["task"], backbone=backbone, labels=LABELS)
    assert isinstance(task, MultiTask)
    side = 224 if "224" in name else 160
    batch = {
        "image": torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8),
        "label": torch.tensor([0, 1]),
        "box": torch.tensor([[10.0, 20, 90, 100], [5, 5, 50, 60]]),
        "keypoints": torch.rand(2, 2, 2) * side,
        "mask": torch.randint(0, 2, (2, side, side), dtype=torch.uint8),
    }
    outputs = task(batch["image"])
    losses = [head.loss(outputs[key], batch[key], (side, side)).mean() for key, head in task.heads.items()]
    assert len(losses) == 4
    torch.stack(losses).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())
