"""What of an image is compared to find duplicates: its pixels, and a small grey copy."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from candelabra.types import Sample

THUMBNAIL_SIDE = 16  # side in pixels of the grey thumbnails


def stack_pixels(sample: Sample) -> NDArray[np.uint8]:
    """Return the image of a sample as (H, W, 3) uint8."""
    image = sample["image"].as_subclass(torch.Tensor)
    if image.is_floating_point():
        image = (image * 255).round().to(torch.uint8)
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def make_scan_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce (H, W, 3) to grey (THUMBNAIL_SIDE, THUMBNAIL_SIDE) by averaging areas."""
    small = Image.fromarray(pixels).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"))
