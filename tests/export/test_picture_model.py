"""The module that is exported gives the answers of the checkpoint for any head, and leaves the checkpoint alone."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.contracts.examples import make_value_batch
from candelabra.contracts.options import list_options, list_targets
from candelabra.data.targets import Labels, ResizeGeometry
from candelabra.data.transforms.resize import make_resize
from candelabra.errors import CandelabraError
from candelabra.export.comparison import compare_answers
from candelabra.export.picture_model import PictureModel, make_picture_model
from candelabra.heads import Head
from candelabra.tasks.loading import load_task
from tests.exported import train_run

SIZE = (64, 96)
OPTIONS = list_options("head")
EXPORTED = (
    "auxiliary",
    "box",
    "center_mask",
    "faster_rcnn",
    "fcos",
    "keypoints",
    "label",
    "mask",
    "mask_rcnn",
    "retinanet",
)
LIKE_OTHERS = ("faster_rcnn", "mask_rcnn", "retinanet")  # answer in boxes and masks, as fcos and center_mask do


def list_pairs() -> list[Any]:
    """Each head with pictures in letterboxes, and one head of each kind of answer with other ways to resize."""
    pairs = [(name, resize) for name in EXPORTED for resize in ("stretch", "letterbox", "crop")]
    slow = pytest.mark.slow
    return [
        pytest.param(*pair, marks=slow if pair[0] in LIKE_OTHERS and pair[1] != "letterbox" else ()) for pair in pairs
    ]


@pytest.mark.parametrize(("name", "resize"), list_pairs())
def test_answers_are_those_of_predict_in_the_pixels_of_pictures(name: str, resize: str) -> None:
    torch.manual_seed(0)
    build: Callable[..., Head] = OPTIONS[name]
    target, _ = make_value_batch(list_targets()[build.func.target])  # type: ignore[attr-defined]
    backbone = Timm("test_resnet", weights="none").eval()
    options = {"stride": backbone.strides[2]} if name == "auxiliary" else {}
    head = build(backbone, Labels(target), **options).eval()
    sharpen(head)
    model = PictureModel(backbone, {name: head}, SIZE, resize).eval()
    pictures = torch.randint(0, 256, (3, 75, 50, 3), dtype=torch.uint8)
    geometry: ResizeGeometry = make_resize(resize, SIZE).view((75, 50))
    with torch.no_grad():
        stages = model.trace_stages(pictures)
        expected = head.predict(stages[f"{name}_raw"], SIZE)
        found = model(pictures)[name]
    kind = head.describe_answer()["kind"]
    wanted = [target.to_original(each, geometry).numpy() for each in expected]
    rows = kind in ("objects", "instances")
    given = [each[each[:, 4] >= 0].numpy() if rows else each.numpy() for each in found]
    assert not rows or sum(map(len, wanted)) > 10
    assert all(each.passes for each in compare_answers(name, kind, wanted, given))


def sharpen(head: Head) -> None:
    """Lets an untrained detector find objects."""
    head = getattr(head, "detector", head)
    classify = getattr(head, "classify", None) or getattr(getattr(head, "layers", None), "classification_head", None)
    if isinstance(classify, torch.nn.Conv2d) and hasattr(head, "locate"):
        torch.nn.init.normal_(classify.weight, std=0.05)
        torch.nn.init.constant_(classify.bias, -1.0)
    elif classify is not None and hasattr(classify, "cls_logits"):
        torch.nn.init.normal_(classify.cls_logits.weight, std=0.03)
        torch.nn.init.constant_(classify.cls_logits.bias, -1.0)


def test_the_live_model_is_not_touched(tmp_path: Path) -> None:
    task = load_task(train_run(tmp_path / "run", "task=classification")).train()
    before = deepcopy(task.state_dict())
    model = make_picture_model(task, (32, 32), "stretch")
    assert task.training
    assert not model.training
    assert all(parameter.requires_grad for parameter in task.parameters())
    assert all(torch.equal(before[key], value) for key, value in task.state_dict().items())
    model(torch.zeros(1, 9, 9, 3, dtype=torch.uint8))
    with pytest.raises(CandelabraError, match=r"heads=\[lable\] is not known to this checkpoint; allowed are label"):
        make_picture_model(task, (32, 32), "stretch", ["lable"])
