"""Ways of upsampling: the textbook's examples, adjoints, and a decoder that learns with each."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.data.targets import Labels, MaskTarget
from candelabra.errors import CandelabraError
from candelabra.heads import Mask
from candelabra.heads.upsampling import UPSAMPLINGS, UpsampleMaps, insert_zeros
from candelabra.heads.upsampling_unet import upsampling_unet

SMALL = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
every_kind = pytest.mark.parametrize("kind", UPSAMPLINGS)


def upsample(kind: str, maps: Tensor, finer: Tensor | None = None) -> Tensor:
    found: Tensor = UpsampleMaps(kind, maps.shape[1])(maps, finer)
    return found


def test_each_textbook_example_comes_out() -> None:
    assert upsample("nearest", SMALL)[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert upsample("bed_of_nails", SMALL)[0, 0].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert upsample("bilinear", SMALL)[0, 0, 0].tolist() == [1, 1.25, 1.75, 2]
    finer = torch.tensor([[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])
    found = upsample("max_unpool", SMALL, finer[None, None])[0, 0]
    assert found.tolist() == [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]


def test_a_transposed_convolution_adds_the_kernel_at_each_value() -> None:
    maps, kernel = torch.tensor([[[[1.0, 5], [3, 2]]]]), torch.tensor([[[[0.0, 1], [2, 3]]]])
    assert F.conv_transpose2d(maps, kernel)[0, 0].tolist() == [[0, 1, 5], [2, 16, 17], [6, 13, 6]]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 0), (3, 2, 1), (4, 2, 1), (5, 3, 2)])
def test_a_transposed_convolution_is_a_convolution_with_the_flipped_kernel_over_inserted_zeros(
    kernel: int, stride: int, padding: int
) -> None:
    """z = stride - 1 zeros between values, and p' = kernel - padding - 1 around them."""
    torch.manual_seed(0)
    maps, weight = torch.randn(2, 3, 5, 6), torch.randn(3, 4, kernel, kernel)
    spread = insert_zeros(maps, stride)[..., : stride * 5 - stride + 1, : stride * 6 - stride + 1]
    edge = kernel - padding - 1
    found = F.conv2d(F.pad(spread, (edge,) * 4), weight.flip(2, 3).transpose(0, 1))
    torch.testing.assert_close(found, F.conv_transpose2d(maps, weight, stride=stride, padding=padding))


def pick_maxima(maps: Tensor, finer: Tensor) -> Tensor:
    _, places = F.max_pool2d(finer.mean(1, keepdim=True), 2, return_indices=True)
    return maps.flatten(2).gather(2, places.expand(-1, maps.shape[1], -1, -1).flatten(2)).view(*maps.shape[:2], 4, 5)


DOWN: dict[str, Callable[[UpsampleMaps, Tensor, Tensor], Tensor]] = {
    "nearest": lambda step, maps, finer: 4 * F.avg_pool2d(maps, 2),
    "bed_of_nails": lambda step, maps, finer: maps[..., ::2, ::2],
    "max_unpool": lambda step, maps, finer: pick_maxima(maps, finer),
    "transposed": lambda step, maps, finer: F.conv2d(maps, step.learned.weight, stride=2),
    "pixel_shuffle": lambda step, maps, finer: F.conv2d(
        F.pixel_unshuffle(maps, 2), next(step.learned.parameters()).transpose(0, 1)
    ),
}


@pytest.mark.parametrize("kind", DOWN)
def test_each_way_up_is_the_adjoint_of_its_way_down(kind: str) -> None:
    """<up(x), y> = <x, down(y)>: sums, picking, max pooling's choice, a strided convolution, and a space to depth."""
    torch.manual_seed(0)
    step = UpsampleMaps(kind, 3)
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter)
        if parameter.ndim == 1:
            torch.nn.init.zeros_(parameter)
    maps, other, finer = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 8, 10), torch.randn(2, 6, 8, 10)
    up = (step(maps, finer) * other).sum()
    torch.testing.assert_close(up, (maps * DOWN[kind](step, other, finer)).sum(), rtol=1e-4, atol=1e-4)


def test_pixel_shuffle_begins_without_a_checkerboard() -> None:
    torch.manual_seed(0)
    found = upsample("pixel_shuffle", torch.randn(1, 8, 3, 3))
    torch.testing.assert_close(found, F.interpolate(found[..., ::2, ::2], scale_factor=2))


@pytest.mark.parametrize("skips", [True, False])
@every_kind
def test_a_decoder_of_each_kind_has_the_size_of_others_on_any_pyramid(kind: str, skips: bool) -> None:
    decoder, width = upsampling_unet([0, 8, 12, 16], (16, 12, 8), upsample=kind, skips=skips)
    pyramid = [torch.rand(2, 0, 24, 32), torch.rand(2, 8, 12, 16), torch.rand(2, 12, 6, 8), torch.rand(2, 16, 3, 4)]
    found = decoder(pyramid)
    assert found.shape == (2, width, 24, 32)
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in decoder.parameters())


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind == "nearest" else ()) for kind in UPSAMPLINGS]
)
def test_a_mask_head_learns_with_each(kind: str) -> None:
    torch.manual_seed(0)
    backbone = Timm("test_resnet", weights="none")
    head = Mask(
        backbone,
        Labels(MaskTarget(("background", "square"))),
        decoder=lambda channels: upsampling_unet(channels, (32, 16, 16, 8, 8), upsample=kind),  # type: ignore[arg-type]
    )
    images, target = torch.zeros(4, 3, 32, 32), torch.zeros(4, 32, 32, dtype=torch.uint8)
    for index in range(4):
        top, left = 2 + 4 * index, 20 - 4 * index
        images[index, :, top : top + 12, left : left + 10] = 1
        target[index, top : top + 12, left : left + 10] = 1
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        head.loss(head(backbone(images)), target, (32, 32)).mean().backward()
        optimizer.step()
    found = head.predict(head(backbone(images)), (32, 32))
    overlap = ((found == 1) & (target == 1)).sum() / ((found == 1) | (target == 1)).sum()
    assert overlap > 0.9


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(CandelabraError, match="upsample=transpose is not known; allowed are transposed"):
        UpsampleMaps("transpose", 4)
