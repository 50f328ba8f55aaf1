"""Rows of objects as a `tv_tensors` class, so that torchvision's transforms move their boxes with the image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.ops import clip_boxes_to_image
from torchvision.transforms.v2 import functional

from candelabra.types import Size

CLASS_COLUMN, SCORE_COLUMN, ROW_WIDTH = 4, 5, 6
IGNORED_SCORE = 0.0  # of a region that neither teaches nor counts


class ObjectRows(tv_tensors.TVTensor):  # type: ignore[misc]
    """Objects (K, 6) float32: XYXY in pixels, index of the class, and score; not cut at the borders of the image.

    torchvision's own class holds four numbers a box alone. The operations registered below are those that move
    upright boxes; others raise, as an operation that is not registered would leave boxes where they were.
    """


def move_boxes(rows: Tensor, scale: Sequence[float], shift: Sequence[float]) -> Tensor:
    """Rows (..., 6) whose X and Y are multiplied by `scale` and moved by `shift`, both XY.

    >>> move_boxes(torch.tensor([[1.0, 2, 3, 4, 0, 1]]), (2, 1), (0, 10)).tolist()
    [[2.0, 12.0, 6.0, 14.0, 0.0, 1.0]]
    """
    # torch.tensor(..., device=) waits for the GPU
    change = torch.tensor([[*scale, *scale, 1, 1], [*shift, *shift, 0, 0]], dtype=torch.float32)
    factor, offset = change.to(rows.device, non_blocking=True)
    moved: Tensor = rows.as_subclass(Tensor) * factor + offset
    return moved


def mirror_boxes(boxes: Tensor, width: float) -> Tensor:
    """Boxes (..., 4) XYXY in an image of this width -> where they lie in its mirror image.

    >>> mirror_boxes(torch.tensor([1.0, 2, 3, 4]), 10).tolist()
    [7.0, 2.0, 9.0, 4.0]
    """
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], -1)


def list_objects(value: Tensor) -> list[list[float]]:
    """The rows of one sample as lists of six numbers, without padding; none where it is not labelled."""
    rows = value.as_subclass(Tensor)
    listed: list[list[float]] = rows[rows[:, CLASS_COLUMN] >= 0].tolist()
    return listed


def compute_areas(rows: Tensor) -> Tensor:
    """(K, 6) -> (K,) areas in square pixels, 0 for an inverted box."""
    return (rows[:, 2:4] - rows[:, :2]).clamp(min=0).prod(1)


def clip_rows(rows: Tensor, size: Size) -> Tensor:
    """Rows (K, 6) whose boxes are cut at the borders of an image of (H, W) = `size`."""
    return torch.cat([clip_boxes_to_image(rows[:, :CLASS_COLUMN], size), rows[:, CLASS_COLUMN:]], 1)


def _crop(rows: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    return _wrap(move_boxes(rows, (1, 1), (-left, -top)))


def _pad(rows: Tensor, padding: Sequence[int], **_: Any) -> Tensor:
    return _wrap(move_boxes(rows, (1, 1), (padding[0], padding[1])))


def _translate(
    rows: Tensor, angle: float, translate: Sequence[float], scale: float, shear: Sequence[float], **_: Any
) -> Tensor:
    if angle or any(shear) or scale != 1:
        raise ValueError("upright boxes cannot be turned, sheared or scaled about a point")
    return _wrap(move_boxes(rows, (1, 1), translate))


def _wrap(rows: Tensor) -> ObjectRows:
    return rows.as_subclass(ObjectRows)


def _refuse(rows: Tensor, *_: Any, **__: Any) -> Tensor:
    raise ValueError("boxes of objects are moved by crop, pad and translation alone")


for _operation, _kernel in ((functional.crop, _crop), (functional.pad, _pad), (functional.affine, _translate)):
    functional.register_kernel(_operation, ObjectRows)(_kernel)
for _operation in (functional.horizontal_flip, functional.vertical_flip, functional.resize, functional.rotate):
    functional.register_kernel(_operation, ObjectRows)(_refuse)
