"""Maps of evidence agree with torchcam, and hold all that later stages make of a map."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchcam.methods import CAM, GradCAM, LayerCAM, ScoreCAM

from candelabra.backbones import Timm
from candelabra.explain import ExplainSettings, explain_module
from candelabra.explain.cams import compute_gradcam_plus_plus
from candelabra.explain.gradients import compute_map_gradients

THEIRS = {"gradcam": GradCAM, "layercam": LayerCAM, "scorecam": ScoreCAM}


def make_resnet() -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = torchvision.models.resnet18(weights=None, num_classes=5)
    return module.eval()


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        *((method, layer) for method in ("gradcam", "layercam") for layer in ("layer3", "layer4")),
        ("scorecam", "layer2"),
    ],
)
def test_maps_agree_with_torchcam(method: str, layer: str) -> None:
    module, image = make_resnet(), torch.randn(3, 48, 48)
    ours = explain_module(module, image, layer, 3, method, settings=ExplainSettings(channels=None))
    with THEIRS[method](module, layer) as extractor:
        scores = module(image[None].requires_grad_())
        theirs = extractor(3, scores, normalized=False)[0][0].relu()
    assert theirs.max() > 0
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours / ours.max(), theirs.detach() / theirs.max(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_maps_before_a_mean_and_a_linear_layer_are_those_of_cam(method: str) -> None:
    """There both are the first class activation map (Zhou et al. 2016), but for the factor of the mean."""
    module, image = make_resnet(), torch.randn(3, 96, 96)
    with CAM(module, "layer4", "fc") as extractor:
        module(image[None])
        theirs = extractor(3, normalized=False)[0][0].relu()
    ours = explain_module(module, image, "layer4", 3, method)
    torch.testing.assert_close(ours, theirs.detach() / theirs.numel(), atol=1e-5, rtol=1e-5)


def test_gradcam_plus_plus_weighs_as_the_paper_says() -> None:
    """Equations 10 to 12, element by element. torchcam 0.5 divides a copy, so its weights lack the denominator."""
    torch.manual_seed(0)
    activation, gradient = torch.rand(3, 2, 4), torch.randn(3, 2, 4)
    wanted = torch.zeros(2, 4)
    for channel, slope in zip(activation, gradient, strict=True):
        third = float((channel * slope**3).sum())
        weight = sum(float(g**2 / (2 * g**2 + third)) * max(0.0, float(g)) for g in slope.flatten())
        wanted += weight * channel
    torch.testing.assert_close(compute_gradcam_plus_plus(activation, gradient), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "test_resnet"])
def test_gradients_hold_what_later_stages_make_of_a_map(name: str) -> None:
    """All of the image goes through the first map, so the chain rule through it gives the gradient of the image."""
    torch.manual_seed(0)
    swin = name.startswith("swin")
    backbone = Timm(name, weights="none", options={"img_size": 64, "window_size": 2} if swin else None).eval()
    images = torch.rand(1, 3, 64, 64).requires_grad_()
    features = backbone(images)
    scores = (features.final.mean((2, 3)) * torch.randn(backbone.num_features)).sum(1)
    gradients = compute_map_gradients(scores, features.maps)
    assert [each.shape for each in gradients] == [each.shape for each in features.maps]
    (whole,) = torch.autograd.grad(scores.sum(), images, retain_graph=True)
    for each, gradient in zip(features.maps, gradients, strict=True):
        (chained,) = torch.autograd.grad(each, images, gradient, retain_graph=True)
        torch.testing.assert_close(chained, whole, atol=1e-6 * float(whole.abs().max()) * 100, rtol=1e-4)


def test_gradients_of_a_vit_reach_its_patches_through_the_class_token() -> None:
    torch.manual_seed(0)
    backbone = Timm("test_vit", weights="none").eval()
    tokens: list[Tensor] = []
    places = [backbone.network.blocks[index] for index in backbone.indices]
    hooks = [place.register_forward_hook(lambda _, __, output: tokens.append(output)) for place in places]
    features = backbone(torch.rand(1, 3, backbone.side, backbone.side).requires_grad_())
    for hook in hooks:
        hook.remove()
    scores = (features.final.mean((2, 3)) * torch.randn(backbone.num_features)).sum(1)
    wanted = torch.autograd.grad(scores.sum(), tokens, retain_graph=True)
    for gradient, each in zip(compute_map_gradients(scores, features.maps), wanted, strict=True):
        patches = each[:, -gradient[0, 0].numel() :].transpose(1, 2).unflatten(2, gradient.shape[2:])
        assert torch.equal(gradient, patches)
    assert wanted[0].any()


def test_a_relu_in_place_behind_the_layer_does_not_change_its_map() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    module, image = nn.Sequential(*layers).eval(), torch.randn(3, 16, 16)
    plain = nn.Sequential(*[nn.ReLU() if isinstance(each, nn.ReLU) else each for each in layers]).eval()
    assert torch.equal(explain_module(module, image, "0", 1), explain_module(plain, image, "0", 1))
