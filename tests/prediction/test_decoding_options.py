"""Options of detectors: set where the model decodes, refused where an exported file has decoded already."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from candelabra.backbones import Backbone
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.errors import CandelabraError
from candelabra.heads import FCOS, Detector, Head
from candelabra.prediction.decoding_options import set_decoding
from candelabra.tasks.derived_head import DerivedHead


def make_detector(backbone: Backbone, score_threshold: float = 0.05) -> Detector:
    labels = Labels(BoxesTarget(("circle", "square")))
    return FCOS(backbone, labels, width=16, layers=1, score_threshold=score_threshold)


def make_task(**heads: Head) -> Any:
    return SimpleNamespace(heads=heads, named_heads=lambda: list(heads.items()))


@pytest.mark.parametrize(("key", "value"), [("nms_threshold", 0.1), ("max_detections", 3), ("score_threshold", 0.001)])
def test_limits_of_a_decoded_file_are_fixed(key: str, value: float, backbone: Backbone) -> None:
    head = make_detector(backbone)
    before = head.describe_answer()
    task = make_task(boxes=DerivedHead(head, lambda _, features: features.final, decoded=True))
    words = rf"{key}={value}: the head boxes is decoded in this exported file, where {key} is {before[key]:g}. .*"
    with pytest.raises(CandelabraError, match=words + rf"export it again with {key}={value}, or give checkpoint="):
        set_decoding(task, {"score_threshold": 0.5, key: value})
    assert head.describe_answer() == before
    set_decoding(task, {"score_threshold": 0.5, "nms_threshold": before["nms_threshold"]})
    assert head.thresholds.tolist() == [0.5, 0.5]
    set_decoding(make_task(boxes=DerivedHead(head, lambda _, features: features.final)), {key: value})
    assert getattr(head, key) == value


def test_a_score_is_that_of_all_detectors(backbone: Backbone) -> None:
    first, second = make_detector(backbone), make_detector(backbone, 0.6)
    set_decoding(make_task(first=first, second=second), {"score_threshold": 0.5})
    assert [first.score_threshold, second.score_threshold] == [0.05, 0.5]
    torch.testing.assert_close(second.thresholds, torch.full((2,), 0.5))
