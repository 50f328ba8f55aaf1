"""From a decoded image and its labels in pixels of the file to a sample."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.bounds import clip_boxes, drop_outside_points
from candelabra.data.decoding.images import DecodedImage
from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.types import Sample


def assemble_sample(
    seen: DecodedImage,
    label: Any | None,
    box: NDArray[np.float32] | None,
    keypoints: NDArray[np.float32] | None,
    mask: NDArray[np.uint8] | None,
) -> Sample:
    """Labels are cut at the border of the image, and scaled as it was read; null where the data set has no such target.

    Args:
        seen: the image.
        label: number or row of numbers.
        box: (4,) XYXY in pixels of the file as it is shown, as are keypoints.
        keypoints: (K, 2) XY.
        mask: (H, W) as large as the image was read.
    """
    size = np.array([seen.size], np.float32)
    scale = (np.array([seen.pixels.shape[1::-1]], np.float32) / size)[0]
    return make_sample(
        image_to_tensor(seen.pixels),
        None if label is None else torch.from_numpy(np.asarray(label)),
        None if box is None else torch.from_numpy(clip_boxes(box[None], size)[0] * np.tile(scale, 2)),
        None if keypoints is None else torch.from_numpy(drop_outside_points(keypoints[None], size)[0] * scale),
        None if mask is None else image_to_tensor(mask),
    )
