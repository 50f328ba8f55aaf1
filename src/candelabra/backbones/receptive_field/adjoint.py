"""The backward of a convolution, written as the convolution that it is."""

import torch.nn.functional as F
from torch import Tensor


def compute_input_gradient(
    gradient: Tensor, weight: Tensor, size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """The gradient of a convolution's input: the output's, dilated by the stride, under the flipped kernel.

    Args:
        gradient: of the output, (N, O, h, w).
        weight: (O, I, kh, kw).
        size: height and width of the input.
        stride: of the convolution.
        padding: of the convolution; below the kernel's sides.

    Returns:
        (N, I, *size).
    """
    n, channels, h, w = gradient.shape
    dilated = gradient.new_zeros(n, channels, (h - 1) * stride + 1, (w - 1) * stride + 1)
    dilated[..., ::stride, ::stride] = gradient
    around = [side - 1 - padding for side in weight.shape[2:]]
    # What the last window did not reach stays without gradient: zeros behind the dilated map.
    behind = [
        side + 2 * padding - kernel - (out - 1) * stride
        for side, kernel, out in zip(size, weight.shape[2:], (h, w), strict=True)
    ]
    padded = F.pad(dilated, (around[1], around[1] + behind[1], around[0], around[0] + behind[0]))
    return F.conv2d(padded, weight.flip(2, 3).transpose(0, 1))


def compute_weight_gradient(
    gradient: Tensor, images: Tensor, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """The gradient of a convolution's weight: the input under the output's gradient, dilated by the stride.

    Args:
        gradient: of the output, (N, O, h, w).
        images: the input, (N, I, H, W).
        kernel: sides of the weight.
        stride: of the convolution.
        padding: of the convolution.

    Returns:
        (O, I, *kernel).
    """
    padded = F.pad(images, (padding,) * 4)
    found = F.conv2d(padded.transpose(0, 1), gradient.transpose(0, 1), dilation=stride)
    return found.transpose(0, 1)[:, :, : kernel[0], : kernel[1]].contiguous()
