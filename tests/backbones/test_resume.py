"""A backbone goes on from the map of its first stages as if it had seen the images; one that cannot says so."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from candelabra.backbones import Backbone, CifarNet, Timm, Torchvision
from candelabra.backbones.backbone import take_first_stages
from candelabra.tasks.forward_pass import resume_backbone, run_backbone
from candelabra.types import Features

BUILDERS: dict[str, Callable[[], Backbone]] = {
    "test_resnet": lambda: Timm("test_resnet", weights="none"),
    "test_efficientnet": lambda: Timm("test_efficientnet", weights="none", options={"drop_path_rate": 0.5}),
    "test_convnext": lambda: Timm("test_convnext", weights="none"),
    "mobilenetv3": lambda: Timm("mobilenetv3_small_050", weights="none"),
    "densenet": lambda: Timm("densenet121", weights="none", options={"growth_rate": 4, "block_config": (1, 2, 1, 1)}),
    "alexnet": lambda: Torchvision("alexnet", ["features.2", "features.5", "features.12"], [8, 16, 32], weights="none"),
    "cifar_net": lambda: CifarNet(weights="none"),
}


def run(backbone: Backbone, images: torch.Tensor) -> Features:
    features: Features = backbone(images)
    return features


@pytest.mark.parametrize("name", BUILDERS)
def test_later_stages_have_the_same_maps_and_gradients_from_the_first_ones(name: str) -> None:
    torch.manual_seed(0)
    backbone = BUILDERS[name]()
    images = torch.randint(0, 256, (3, 3, 96, 64), dtype=torch.uint8)
    with torch.no_grad():
        whole = run(backbone.eval(), images)
    assert all(backbone.can_resume(whole, count) for count in range(1, len(backbone.stages)))
    count = len(backbone.stages) - 1
    backbone.freeze(count)
    backbone.train()
    with torch.no_grad():
        first = take_first_stages(run(backbone, images), count)
    found = []
    for compute in (partial(run, backbone, images), partial(backbone.resume, first)):
        backbone.zero_grad()
        torch.manual_seed(1)  # of what is dropped
        features = compute()
        features.final.square().mean().backward()
        learning = [p.grad for p in backbone.parameters() if p.requires_grad]
        assert learning
        found.append([*features.maps, features.final, *learning])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_modules_are_as_they_were_afterwards_also_after_an_error() -> None:
    backbone = Timm("test_efficientnet", weights="none").eval()
    own = {module: module.__dict__.get("forward") for module in backbone.modules()}
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = run(backbone, images)
        first = take_first_stages(before, 3)
        backbone.resume(first)
        with pytest.raises(RuntimeError):
            backbone.resume(first._replace(final=torch.rand(2, 7, 4, 4)))
        after = run(backbone, images)
    assert {module: module.__dict__.get("forward") for module in backbone.modules()} == own
    assert torch.equal(before.final, after.final)


def test_tokens_cannot_go_on_from_a_map() -> None:
    backbone = Timm("test_vit", weights="none").eval()
    with torch.no_grad():
        whole = run(backbone, torch.rand(2, 3, 160, 160))
    assert not backbone.can_resume(whole, 2)


def test_one_image_alone_is_trained_on_from_a_map_of_one_pixel() -> None:
    torch.manual_seed(0)
    backbone = Timm("test_resnet", weights="none")
    backbone.freeze(2)
    backbone.train()
    images = torch.rand(1, 3, 32, 32)
    first = take_first_stages(run(backbone, torch.cat([images, images])), 2)
    alone = Features([each[:1] for each in first.maps], first.final[:1], first.size)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        backbone.resume(alone)
    assert torch.allclose(resume_backbone(backbone, alone).final, run_backbone(backbone, images).final, atol=1e-5)
