"""Balanced weights of classes go by the labels of all ranks in training, and by what is measured elsewhere."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.heads import Auxiliary, Head, Label, Mask
from tests.data.builders import make_labels

LABEL = torch.tensor([0, 0, 1, 1, 2, -1, 0, 0])
SEVERAL = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0], [1, 1, 0], [torch.nan] * 3, [0, 1, 1], [1, 0, 0]])
MASK = torch.tensor([0, 0, 0, 1, 1, 0, 0, 2])[:, None, None].repeat(1, 8, 8).to(torch.uint8)
MASK[5] = 255
RARE = torch.where(MASK == 2, 0, MASK)
RARE[0, 0, 0] = 2
BALANCED = partial(Label, class_weights="balanced")


@pytest.mark.parametrize(
    ("build", "target"),
    [
        (BALANCED, LABEL),
        (BALANCED, SEVERAL),
        (partial(Auxiliary, label=BALANCED), LABEL),
        (partial(Mask, class_weights="balanced"), MASK),
        (Mask, RARE),
    ],
)
def test_two_ranks_weigh_classes_as_one_does(build: Callable[..., Head], target: Tensor, backbone: Backbone) -> None:
    labels = make_labels(("a", "b", "c"), multilabel=target.ndim == 2, mask_classes=("a", "b", "c"))
    head, counted = build(backbone, labels), []
    outputs = torch.randn(8, 3, *target.shape[1:]) if target.ndim == 3 else torch.randn(8, 3)
    size = (8, 8)
    head.observe_labels(target, lambda counts: counted.append(counts.clone()) or counts)  # type: ignore[func-returns-value]
    whole = head.loss(outputs, target, size)
    for part in (slice(0, 3), slice(3, 8)):
        head.observe_labels(target[part], lambda counts: counts.copy_(counted[0]))
        torch.testing.assert_close(head.loss(outputs[part], target[part], size), whole[part])
    alone = head.eval().loss(outputs[:3], target[:3], size)
    assert not torch.allclose(alone, whole[:3], rtol=0.01)
