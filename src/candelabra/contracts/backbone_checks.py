"""Checks of a backbone's contract."""

import torch

from candelabra.backbones import Backbone


def check_shapes(backbone: Backbone) -> None:
    """Asserts that channels, strides and stages are those that the backbone states."""
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, 3, 192, 160, dtype=torch.uint8))
    assert [m.shape[1] for m in features.maps] == backbone.channels
    for features_map, stride in zip(features.maps, backbone.strides, strict=True):
        assert 0.6 < features_map.shape[2] * stride / 192 < 1.1  # Inception does not pad
        assert features_map.shape[2] >= features_map.shape[3]
    assert backbone.strides == sorted(backbone.strides)
    assert features.final.shape[:2] == (1, backbone.num_features)
    assert features.final.ndim == 4
    assert features.size == (192, 160)
    assert len(backbone.stages) == len(backbone.channels)
    staged = [p for stage in backbone.stages for m in stage for p in m.parameters(recurse=False)]
    assert len(staged) == len({id(p) for p in staged}) == len(list(backbone.parameters()))


def check_every_parameter_is_used(backbone: Backbone) -> None:
    """Asserts that each parameter gets a gradient."""
    features = backbone.train()(torch.rand(2, 3, 160, 160))
    (features.final.square().mean() + sum(m.square().mean() for m in features.maps)).backward()
    assert [name for name, parameter in backbone.named_parameters() if parameter.grad is None] == []


def check_freezing(backbone: Backbone) -> None:
    """Asserts that no tensor of a frozen backbone changes in training, statistics included."""
    backbone.train()
    backbone.freeze(len(backbone.stages))
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone(torch.rand(2, 3, 160, 160))
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())
