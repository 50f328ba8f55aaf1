"""Masks that do not have the size of their image."""

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.image_files import SWAPPED_ORIENTATIONS, turn_upright
from candelabra.data.decoding.images import DecodedImage, mask_to_classes
from candelabra.data.decoding.nearest_pixels import resize_nearest
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.types import IGNORED, WidthHeight

_TURNED = "mask of the image before EXIF turned it, turned as well"
_RESIZED = "mask of another size, resized"


def describe_misfit(mask: WidthHeight, image: WidthHeight, orientation: int) -> DataIssue | None:
    """What is odd about a mask of this size; none where it has that of its image.

    Args:
        mask: (width, height), as it is shown.
        image: likewise.
        orientation: of the image, which was applied.

    >>> describe_misfit((250, 188), (500, 375), 1).treatment.value
    'repaired'
    """
    if mask == image:
        return None
    detail = f"its mask is {mask[0]} x {mask[1]} pixels, the image {image[0]} x {image[1]}"
    if orientation in SWAPPED_ORIENTATIONS and mask == image[::-1]:
        return DataIssue("", _TURNED, IssueTreatment.REPAIRED, detail)
    small, large = sorted((mask, image))
    if all(abs(large[a] * small[b] / large[b] - small[a]) <= 1 for a, b in ((0, 1), (1, 0))):
        return DataIssue("", _RESIZED, IssueTreatment.REPAIRED, detail)
    return DataIssue("", "mask of another shape than its image", IssueTreatment.UNLABELLED, detail)


def fit_mask(mask: DecodedImage, image: DecodedImage, meaning: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask as class indices of the size that its image was read at; nothing labelled where it does not fit."""
    odd = describe_misfit(mask.size, image.size, image.orientation)
    shape = image.pixels.shape[:2]
    if odd and odd.treatment == IssueTreatment.UNLABELLED:
        return np.full(shape, IGNORED, np.uint8)
    found = mask_to_classes(mask.pixels, meaning)
    upright = turn_upright(found, image.orientation) if odd and odd.what == _TURNED else found
    return upright if upright.shape == shape else resize_nearest(upright, (shape[0], shape[1]), image.region)
