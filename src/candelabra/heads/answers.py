"""One number of what a head says of an image: what an explanation differentiates."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.errors import CandelabraError, list_nearest
from candelabra.heads.coordinate_readers import SoftArgmax
from candelabra.types import Features

Score = Callable[[Features], Tensor]


class HeadAnswer(NamedTuple):
    """What a head says of one image, and how firmly it says so of images that are changed.

    Args:
        words: the answer, as `target=` names it.
        score: features of N images -> (N,), differentiable and unbounded, such as a logit: higher where more in the
            image speaks for the answer.
        confidence: features of N images -> (N,) in [0, 1]: how far the answer still holds.
    """

    words: str
    score: Score
    confidence: Score


class NoAnswer(CandelabraError):
    """A head does not say what was asked for of this image; of others it may."""


def pick_class(word: str, classes: Sequence[str]) -> int:
    """The index of a class by its name.

    Raises:
        CandelabraError: there is no such class.
    """
    if word not in classes:
        raise CandelabraError(f"target={word} is no class of this head; allowed are {list_nearest(word, classes)}.")
    return list(classes).index(word)


def make_place_score(reader: nn.Module, features: Features, points: Sequence[int]) -> Score:
    """The evidence for the places of points: (N,), summed over the points.

    Heat maps tell it directly: their height, before the softmax, at the place that was found. Regressed coordinates
    have no such number; there it is the shift from the middle of the image, where an untrained head points, in the
    direction of the place, in image sides.

    Args:
        reader: features -> (N, K, 2) in image sides.
        features: of the image that is explained, N = 1.
        points: which of the K.
    """
    chosen = list(points)
    places = reader(features)[0, chosen].detach()
    if isinstance(reader, SoftArgmax):
        return lambda changed: _read_heights(reader.heatmaps(changed)[:, chosen], places).sum(1)
    direction = F.normalize(places - 0.5, dim=1)
    return lambda changed: ((reader(changed)[:, chosen] - 0.5) * direction).sum((1, 2))


def _read_heights(heatmaps: Tensor, places: Tensor) -> Tensor:
    """(N, K, h, w) at places (K, 2) in shares of the sides -> (N, K), between pixel centres."""
    count, points, height, width = heatmaps.shape
    grid = (2 * places - 1).to(heatmaps.dtype).repeat(count, 1)[:, None, None]
    single = heatmaps.reshape(count * points, 1, height, width)
    return F.grid_sample(single, grid, padding_mode="border", align_corners=False).view(count, points)


def make_distance_confidence(read: Callable[[Features], Tensor], features: Features) -> Score:
    """exp(-10 d), d being the mean distance in image sides by which points have moved; 0.61 at 5 % of a side.

    Args:
        read: features -> points (N, K, 2) in image sides.
        features: of the image that is explained.
    """
    places = read(features).detach()
    return lambda changed: torch.exp(-10 * (read(changed) - places).norm(dim=2).mean(1))
