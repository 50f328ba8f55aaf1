"""Mixup, cutmix and random sizes of training batches."""

import math
from collections.abc import Collection, Sequence
from typing import Self, cast

import numpy as np
from torch import Tensor

from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError
from candelabra.types import Blend, Sample, Size

_STEP = 32  # pixels; sides of batches are multiples of it, as most backbones halve the size five times


class BatchTransforms:
    """Draw the size of each training batch and how its images are blended, from seed, epoch and batch number.

    The task resizes and blends the images on its device. Only masks are pasted here, as the loss must know in advance
    which images have labels.

    Args:
        mixup: alpha of the Beta distribution of the shares (Zhang et al. 2018); 0 disables mixup.
        cutmix: alpha of the Beta distribution of the areas (Yun et al. 2019); 0 disables cutmix. If both are enabled,
            each batch uses one of them at random.
        multiscale: smallest and largest factor of the size; null for a constant size.
        seed: of the random draws.
        pasted: names of targets with pixels, which cutmix pastes like the image.
    """

    def __init__(
        self,
        mixup: float,
        cutmix: float,
        multiscale: Sequence[float] | None,
        seed: int,
        pasted: Collection[str] = (),
    ) -> None:
        self.pasted = frozenset(pasted)
        for key, alpha in (("mixup", mixup), ("cutmix", cutmix)):
            if alpha < 0:
                raise CandelabraError(
                    f"data.{key}={alpha} is not the alpha of a Beta distribution; give a number above 0, or 0 for none."
                )
        self.mixup, self.cutmix, self.seed = mixup, cutmix, seed
        self.multiscale = None if multiscale is None else _check_multiscale(multiscale)

    def with_labels(self, labels: Labels) -> Self:
        """Return a copy for data with these labels."""
        pasted = [name for name, target in labels.items() if target.blend == "paste"]
        return type(self)(self.mixup, self.cutmix, self.multiscale, self.seed, pasted)

    def __bool__(self) -> bool:
        return self.blends or self.multiscale is not None

    @property
    def blends(self) -> bool:
        """Whether images are blended."""
        return max(self.mixup, self.cutmix) > 0

    def base_size(self, size: Size) -> Size:
        """Return (H, W) to which single images are preprocessed: the largest size of a batch."""
        return scale_size(size, self.multiscale[1]) if self.multiscale else size

    def sizes(self, base: Size) -> tuple[Size, Size]:
        """Return the smallest and the largest size of batches of images of (H, W) = `base`."""
        low, high = self.multiscale or (1.0, 1.0)
        return (scale_size(base, low / high), base) if self.multiscale else (base, base)

    def __call__(self, batch: Sample, epoch: int, number: int) -> Sample:
        """Add the size and the blend to a batch.

        Args:
            batch: of samples.
            epoch: from 0.
            number: of the batch in its epoch; equal on all ranks.
        """
        rng = np.random.default_rng((self.seed, epoch, number))
        base: Size = (batch["image"].shape[-2], batch["image"].shape[-1])
        if self.multiscale:
            low, high = self.multiscale
            batch = {**batch, "size": scale_size(base, float(rng.uniform(low, high)) / high)}
        if not self.blends:
            return batch
        cut = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if cut else self.mixup
        share = float(rng.beta(alpha, alpha))
        if not cut:
            return {**batch, "blend": Blend(share, None)}
        place = _draw_rectangle(base, share, rng)
        left, top, right, bottom = place
        blend = Blend(1 - (right - left) * (bottom - top) / (base[0] * base[1]), place)
        batch = {**batch, "blend": blend}
        for name in self.pasted & batch.keys():
            batch = paste_partner(batch, name, blend)
        return batch


def paste_partner(batch: Sample, key: str, blend: Blend) -> Sample:
    """Paste the rectangle of a blend from the partner of each sample.

    Args:
        batch: of samples.
        key: of the images or masks (N, ..., H, W).
        blend: with a rectangle.
    """
    assert blend.place is not None
    left, top, right, bottom = blend.place
    values = cast(dict[str, Tensor], batch)[key]
    pasted = values.clone()
    pasted[..., top:bottom, left:right] = roll_partners(values)[..., top:bottom, left:right]
    return cast(Sample, {**batch, key: pasted})


def roll_partners(values: Tensor) -> Tensor:
    """Return, for each sample of a batch, the values of its partner for blending: the previous sample."""
    return values.roll(1, 0)


def scale_size(size: Size, factor: float) -> Size:
    """Scale (H, W) by a factor and round to multiples of 32.

    >>> scale_size((128, 192), 0.8)
    (96, 160)
    """
    height, width = (max(_STEP, round(side * factor / _STEP) * _STEP) for side in size)
    return height, width


def check_sizes(batchwise: BatchTransforms, size: Size) -> None:
    """Check that `data.multiscale` allows more than one size.

    Raises:
        CandelabraError: all batches would have the same size.
    """
    smallest, largest = batchwise.sizes(batchwise.base_size(size))
    if batchwise.multiscale and smallest == largest:
        low, high = batchwise.multiscale
        raise CandelabraError(
            f"data.multiscale=[{low},{high}] gives batches of one size only, {largest[0]} x {largest[1]}, as sides are "
            f"multiples of {_STEP}; give a wider range, a larger data.size, or null."
        )


def _draw_rectangle(size: Size, share: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a rectangle, XYXY in pixels, with the aspect ratio and 1 - share of the area of the image.

    Its centre is uniform in the image; parts outside of the image are cut off.
    """
    half = 0.5 * math.sqrt(1 - share)
    edges = [(int(rng.integers(side)), int(half * side), side) for side in (size[1], size[0])]
    (left, right), (top, bottom) = ((max(at - h, 0), min(at + h, side)) for at, h, side in edges)
    return left, top, right, bottom


def _check_multiscale(multiscale: Sequence[float]) -> tuple[float, float]:
    if len(multiscale) != 2 or not 0 < multiscale[0] <= multiscale[1] <= 4:
        raise CandelabraError(
            f"data.multiscale={list(multiscale)} must be the least and the largest factor of data.size, above 0 and up "
            "to 4, such as [0.75,1.25]; or null."
        )
    return float(multiscale[0]), float(multiscale[1])
