"""Answers in the pixels that a model was given -> in the pixels of files."""

from collections.abc import Mapping

import numpy as np

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.fitting import PLACEMENTS
from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.decoding.nearest_pixels import resize_nearest
from candelabra.runtime.answer_kind import Values
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.pictures import Picture


def move_map_to_file(
    outputs: Mapping[str, Values], name: str, unlabelled: float, picture: Picture, model: ModelDescription
) -> Values:
    """A map (..., H, W) in the pixels of the file of a picture.

    Args:
        outputs: of this picture, by name, in the pixels that the model was given.
        name: of the head.
        unlabelled: the value of what the model did not see.
        picture: see `AnswerKind.place`.
        model: likewise.
    """
    if picture.is_whole:
        return outputs[name]
    prepared = outputs[name + PREPARED_SUFFIX]  # resized once, to the file, and not twice
    scaled, corner = PLACEMENTS[model.resize]((picture.pixels.shape[0], picture.pixels.shape[1]), model.size)
    whole = np.full((*prepared.shape[:-2], *scaled), unlabelled, prepared.dtype)
    inside = [
        (slice(max(-start, 0), min(size - start, side)), slice(max(start, 0), min(start + side, size)))
        for start, side, size in zip(corner, scaled, model.size, strict=True)
    ]
    whole[..., inside[0][0], inside[1][0]] = prepared[..., inside[0][1], inside[1][1]]
    # A file too large to be decoded whole has a map as small as it can be decoded; see `PixelTarget.to_original`.
    divisor = choose_divisor(*picture.size[::-1])
    shape = (-(-picture.size[0] // divisor), -(-picture.size[1] // divisor))
    (x, y), extent = picture.region.corner, picture.region.extent
    seen = CoveredRegion((-y, shape[0] * divisor - y, extent[1]), (-x, shape[1] * divisor - x, extent[0]))
    return resize_nearest(whole, shape, seen)


def move_points_to_file(points: Values, picture: Picture) -> Values:
    """Points (..., 2) in the pixels that were decoded -> in pixels of the file."""
    height, width = picture.pixels.shape[:2]
    factor = np.array(picture.region.extent, np.float32) / np.array([width, height], np.float32)
    return points * factor + np.array(picture.region.corner, np.float32)


def move_boxes_to_file(boxes: Values, picture: Picture) -> Values:
    """Boxes (..., 4) XYXY in the pixels that were decoded -> in pixels of the file, cut at its borders."""
    return clip_boxes(move_points_to_file(boxes.reshape(-1, 2), picture).reshape(boxes.shape), picture)


def move_prepared_boxes(boxes: Values, picture: Picture, model: ModelDescription) -> Values:
    """Boxes (D, 4) XYXY in the pixels of the model's input -> in pixels of the file, not cut."""
    shape = (picture.pixels.shape[0], picture.pixels.shape[1])
    (height, width), (top, left) = PLACEMENTS[model.resize](shape, model.size)
    factor = np.array([width, height], np.float32) / np.array(picture.region.extent, np.float32)
    corners = (boxes.reshape(-1, 2) - np.array([left, top], np.float32)) / factor
    return (corners + np.array(picture.region.corner, np.float32)).reshape(-1, 4)


def clip_boxes(boxes: Values, picture: Picture) -> Values:
    """Boxes (..., 4) XYXY in pixels of the file, cut at its borders."""
    return np.clip(boxes.reshape(-1, 2), 0, np.array(picture.size[::-1], np.float32)).reshape(boxes.shape)
