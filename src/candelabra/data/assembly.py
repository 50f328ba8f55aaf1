"""From a decoded image and its labels in pixels of the file to a sample."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.bounds import clipped, within
from candelabra.data.decoding.images import Picture
from candelabra.data.samples import as_tensor, sample
from candelabra.types import Sample


def assembled(
    seen: Picture,
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
    return sample(
        as_tensor(seen.pixels),
        None if label is None else torch.from_numpy(np.asarray(label)),
        None if box is None else torch.from_numpy(clipped(box[None], size)[0] * np.tile(scale, 2)),
        None if keypoints is None else torch.from_numpy(within(keypoints[None], size)[0] * scale),
        None if mask is None else as_tensor(mask),
    )
