"""Images that are in memory already."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from candelabra.data.decoding.pixel_modes import convert_to_rgb
from candelabra.errors import CandelabraError


def convert_to_pixels(given: Any) -> NDArray[Any]:
    """Converts one image to contiguous pixels (H, W, 3): uint8, or float32 in [0, 1].

    Args:
        given: a Pillow image, turned as its EXIF orientation says; an array (H, W) or (H, W, C); or a tensor (H, W) or
            (C, H, W). C is 1, 3 or 4 (the fourth is opacity, and what is transparent becomes white); numbers are uint8,
            or floats in [0, 1].

    Raises:
        CandelabraError: it has another shape, or other numbers.
    """
    if isinstance(given, Image.Image):
        upright = ImageOps.exif_transpose(given)
        upright.format = given.format  # which says what its numbers mean, and which Pillow does not copy
        return np.ascontiguousarray(convert_to_rgb(upright)[0])
    torch = sys.modules.get("torch")  # without it there are no tensors, and nothing here needs it
    if torch is not None and isinstance(given, torch.Tensor):
        pixels = given.detach().cpu().float().numpy() if given.is_floating_point() else given.cpu().numpy()
        pixels, shapes = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels, "(H, W) or (C, H, W)"
    else:
        pixels, shapes = np.asarray(given), "(H, W) or (H, W, C)"
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise CandelabraError(
            f"An image of the shape {tuple(np.shape(given))} is none; give {shapes}, where C is 1, 3 or 4."
        )
    if pixels.dtype != np.uint8:
        pixels = _check_range(pixels)
    if pixels.shape[2] == 4:
        pixels = _lay_on_white(pixels)
    return np.ascontiguousarray(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels)


def _check_range(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.dtype.kind not in "fiub" or not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        kind = "complex data not supported" if pixels.dtype.kind == "c" else "images are uint8, or float in [0, 1]"
        raise CandelabraError(
            f"Pixels of type {pixels.dtype} that go from {pixels.min()} to {pixels.max()}: {kind}, without NaN or inf."
        )
    return pixels.astype(np.float32)


def _lay_on_white(pixels: NDArray[Any]) -> NDArray[Any]:
    white = 255 if pixels.dtype == np.uint8 else 1
    opacity = pixels[:, :, 3:].astype(np.float32) / white
    laid = pixels[:, :, :3] * opacity + white * (1 - opacity)
    return np.rint(laid).astype(np.uint8) if white == 255 else laid.astype(np.float32)
