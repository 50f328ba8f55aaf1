"""The resize of evaluation as two matrix products, built inside the graph from the size of the pictures.

Every runtime then computes the same: none has to have an antialiased resize of its own, of which some are wrong.
"""

import torch
from torch import Tensor

from candelabra.data.transforms.sample_geometry import FILL_GREY
from candelabra.heads.picture_view import PictureView, ViewAxis
from candelabra.types import Size

_PRECISIONS = 22  # torch's uint8 kernel rounds weights to 16 bits, with as many places after the point as fit
_LARGEST_WEIGHT = 2**15


def view_pictures(pictures: Tensor, size: Size, resize: str) -> PictureView:
    """Where pictures (N, H, W, 3) lie in what the model sees; in values what `ResizeMethod.view` computes.

    Args:
        pictures: of any size.
        size: (H, W) that the model sees.
        resize: stretch, letterbox or crop.
    """
    picture = (pictures.shape[1], pictures.shape[2])
    whole = [torch.scalar_tensor(side, dtype=torch.int64) for side in picture]
    if resize == "stretch":
        scaled = [torch.tensor(side) for side in size]
    else:
        factors = [side / each.double() for side, each in zip(size, whole, strict=True)]
        factor = torch.minimum(*factors) if resize == "letterbox" else torch.maximum(*factors)
        scaled = [torch.round(each.double() * factor).clamp(min=1).long() for each in whole]
    starts = [torch.div(side - each, 2, rounding_mode="floor") for side, each in zip(size, scaled, strict=True)]
    rows, columns = (ViewAxis(*each) for each in zip(whole, scaled, starts, size, strict=True))
    return PictureView(rows, columns, picture)


def resize_pictures(pictures: Tensor, view: PictureView) -> Tensor:
    """Pictures (N, H, W, 3) uint8 -> (N, 3, h, w) float32 of the whole numbers 0 to 255 that the model sees.

    They are those of torch's antialiased bilinear resize of uint8, which rounds its weights, rounds after the
    horizontal pass, and again after the vertical one; but for single pixels whose sums lie between two numbers.
    """
    channels = pictures.permute(0, 3, 1, 2).float()
    across, seen_columns = _make_weights(view.columns, view.picture[1])
    down, seen_rows = _make_weights(view.rows, view.picture[0])
    narrow = _round_pixels(torch.matmul(channels, across.transpose(0, 1)))
    resized = _round_pixels(torch.matmul(down, narrow))
    return torch.where(seen_rows[:, None] & seen_columns[None], resized, float(FILL_GREY))


def _round_pixels(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5).clamp(0, 255)


def _make_weights(axis: ViewAxis, length: int) -> tuple[Tensor, Tensor]:
    """The weights (size, length) of the pixels of one axis, and (size,) bool where there is a picture.

    A weight falls linearly from the centre of a pixel to those of the next ones of the coarser of both grids. All
    distances are whole numbers, so that float32 loses nothing.
    """
    place = torch.arange(axis.size) - axis.start
    seen = (place >= 0) & (place < axis.scaled)
    place = torch.cat([place, torch.zeros(1, dtype=torch.int64)])  # the first row, which may be cut off, see below
    distance = (2 * torch.arange(length) + 1)[None] * axis.scaled - (2 * place + 1)[:, None] * axis.whole
    reach = 2 * torch.maximum(axis.whole, axis.scaled)
    weights = (1 - distance.abs().float() / reach.float()).clamp(min=0)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
    inside = torch.cat([seen, torch.ones(1, dtype=torch.bool)])
    weights = torch.where(inside[:, None], weights, 0.0)
    powers = torch.tensor([2.0**power for power in range(_PRECISIONS + 1)])
    # The largest weight of all decides the places; at the border, where taps are cut off, weights are larger.
    precision = (weights.flatten().amax(0) * powers[1:] + 0.5 < _LARGEST_WEIGHT).long().sum()
    scale = powers.index_select(0, precision[None])
    return (torch.floor(weights * scale + 0.5) / scale)[: axis.size], seen
