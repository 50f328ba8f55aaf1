"""Gradients of a convolution, computed as convolutions."""

import torch.nn.functional as F
from torch import Tensor


def compute_input_gradient(
    gradient: Tensor, weight: Tensor, size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """Compute the gradient of a convolution's input.

    It is the convolution of the output's gradient, dilated by the stride, with the flipped kernel.

    Args:
        gradient: of the output, (N, O, h, w).
        weight: (O, I, kh, kw).
        size: height and width of the input.
        stride: of the convolution.
        padding: of the convolution; smaller than the sides of the kernel.

    Returns:
        (N, I, *size).
    """
    n, channels, h, w = gradient.shape
    dilated = gradient.new_zeros(n, channels, (h - 1) * stride + 1, (w - 1) * stride + 1)
    dilated[..., ::stride, ::stride] = gradient
    start = [side - 1 - padding for side in weight.shape[2:]]
    # Pixels that the last window does not reach get gradient 0: pad the end of the dilated map with zeros.
    end = [
        side + 2 * padding - kernel - (out - 1) * stride
        for side, kernel, out in zip(size, weight.shape[2:], (h, w), strict=True)
    ]
    padded = F.pad(dilated, (start[1], start[1] + end[1], start[0], start[0] + end[0]))
    return F.conv2d(padded, weight.flip(2, 3).transpose(0, 1))


def compute_weight_gradient(
    gradient: Tensor, images: Tensor, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Tensor:
    """Compute the gradient of a convolution's weight.

    It is the convolution of the input with the output's gradient, dilated by the stride.

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
