"""Frozen means frozen: R6, R7, R8 of the libraries below do not reach us."""

import pytest
import torch
from torch import nn

from candelabra.backbones import Backbone, Timm


def train_a_little(backbone: Backbone) -> None:
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    for _ in range(3):
        backbone.train()
        optimizer.zero_grad()
        backbone(torch.rand(4, 3, 64, 64)).final.square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("stages", [1, 3])
def test_frozen_stages_keep_every_tensor_and_the_others_learn(backbone: Backbone, stages: int) -> None:
    backbone.freeze(stages)
    frozen = [module for stage in backbone.stages[:stages] for module in stage]
    before = {id(t): t.clone() for m in frozen for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))}
    learning = [p.clone() for m in backbone.stages[-1] for p in m.parameters(recurse=False)]
    train_a_little(backbone)
    for module in frozen:
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            assert torch.equal(tensor, before[id(tensor)])
    after = [p for m in backbone.stages[-1] for p in m.parameters(recurse=False)]
    assert all(not torch.equal(old, new) for old, new in zip(learning, after, strict=True))


def test_frozen_features_are_the_same_in_training_and_evaluation() -> None:
    backbone = Timm("test_efficientnet", weights="none", options={"drop_path_rate": 0.5})
    backbone.freeze(len(backbone.stages))
    images = torch.rand(4, 3, 64, 64)
    assert torch.equal(backbone.train()(images).final, backbone.eval()(images).final)


def test_thawing_brings_statistics_and_gradients_back(backbone: Backbone) -> None:
    backbone.freeze(len(backbone.stages))
    backbone.freeze(0)
    backbone.train()
    assert all(p.requires_grad for p in backbone.parameters())
    assert all(m.training for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))


def test_statistics_can_be_kept_while_weights_learn(backbone: Backbone) -> None:
    backbone.freeze(0, keep_statistics=True)
    means = [
        m.running_mean.clone()
        for m in backbone.modules()
        if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None
    ]
    train_a_little(backbone)
    after = [m.running_mean for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(torch.equal(old, new) for old, new in zip(means, after, strict=True) if new is not None)
    assert all(p.grad is not None for p in backbone.parameters())
