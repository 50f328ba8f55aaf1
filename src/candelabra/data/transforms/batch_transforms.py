"""What is done to a batch of training images as a whole: mixup, cutmix, and another size for each batch."""

import math
from collections.abc import Collection, Sequence
from typing import Self, cast

import numpy as np
from torch import Tensor

from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError
from candelabra.types import Blend, Sample, Size

_STEP = 32  # pixels: sides of batches are its multiples, as most backbones halve five times


class BatchTransforms:
    """Draws for each training batch its size, and how its images are blended; a function of seed, epoch and number.

    It only says what is to be done, which costs nothing here: a task does it, on its device. Masks alone are pasted
    here, for the loss has to know before which images have labels.

    Args:
        mixup: alpha of the Beta distribution of shares (Zhang et al. 2018); 0 for none.
        cutmix: likewise, of areas (Yun et al. 2019). With both, each batch has one of them at random.
        multiscale: the least and the largest factor of the size; null for one size.
        seed: of what is drawn.
        pasted: names of targets whose pixels cutmix pastes with the image.
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
                    f"data.{key}={alpha} is the alpha of a Beta distribution: above 0, or 0 for none."
                )
        self.mixup, self.cutmix, self.seed = mixup, cutmix, seed
        self.multiscale = None if multiscale is None else _factors(multiscale)

    def with_labels(self, labels: Labels) -> Self:
        """The same for data with these labels."""
        pasted = [name for name, target in labels.items() if target.blend == "paste"]
        return type(self)(self.mixup, self.cutmix, self.multiscale, self.seed, pasted)

    def __bool__(self) -> bool:
        return self.blends or self.multiscale is not None

    @property
    def blends(self) -> bool:
        """Images are blended."""
        return max(self.mixup, self.cutmix) > 0

    def made(self, size: Size) -> Size:
        """(H, W) at which single images are made, the largest of all batches."""
        return scale_size(size, self.multiscale[1]) if self.multiscale else size

    def sizes(self, made: Size) -> tuple[Size, Size]:
        """The smallest and the largest size of batches whose images were made at `made`."""
        low, high = self.multiscale or (1.0, 1.0)
        return (scale_size(made, low / high), made) if self.multiscale else (made, made)

    def __call__(self, batch: Sample, epoch: int, number: int) -> Sample:
        """Adds to a batch what is to be done to it.

        Args:
            batch: of images.
            epoch: from 0.
            number: of the batch in its epoch; equal on all ranks.
        """
        rng = np.random.default_rng((self.seed, epoch, number))
        made: Size = (batch["image"].shape[-2], batch["image"].shape[-1])
        if self.multiscale:
            low, high = self.multiscale
            batch = {**batch, "size": scale_size(made, float(rng.uniform(low, high)) / high)}
        if not self.blends:
            return batch
        cut = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if cut else self.mixup
        share = float(rng.beta(alpha, alpha))
        if not cut:
            return {**batch, "blend": Blend(share, None)}
        place = _place(made, share, rng)
        left, top, right, bottom = place
        blend = Blend(1 - (right - left) * (bottom - top) / (made[0] * made[1]), place)
        batch = {**batch, "blend": blend}
        for name in self.pasted & batch.keys():
            batch = paste_partner(batch, name, blend)
        return batch


def paste_partner(batch: Sample, key: str, blend: Blend) -> Sample:
    """Puts the place of a blend in images or masks (N, ..., H, W) from each one's partner."""
    assert blend.place is not None
    left, top, right, bottom = blend.place
    values = cast(dict[str, Tensor], batch)[key]
    pasted = values.clone()
    pasted[..., top:bottom, left:right] = roll_partners(values)[..., top:bottom, left:right]
    return cast(Sample, {**batch, key: pasted})


def roll_partners(values: Tensor) -> Tensor:
    """For each sample of a batch, the values of the one that it is blended with: the one before."""
    return values.roll(1, 0)


def scale_size(size: Size, factor: float) -> Size:
    """(H, W) times a factor, in multiples of 32.

    >>> scale_size((128, 192), 0.8)
    (96, 160)
    """
    height, width = (max(_STEP, round(side * factor / _STEP) * _STEP) for side in size)
    return height, width


def check_sizes(batchwise: BatchTransforms, size: Size) -> None:
    """Refuses a range of sizes that holds one only.

    Raises:
        CandelabraError: see above.
    """
    smallest, largest = batchwise.sizes(batchwise.made(size))
    if batchwise.multiscale and smallest == largest:
        low, high = batchwise.multiscale
        raise CandelabraError(
            f"data.multiscale=[{low},{high}] makes batches of one size only, {largest[0]} x {largest[1]}, as sides are "
            f"multiples of {_STEP}; give a wider range, a larger data.size, or null."
        )


def _place(size: Size, share: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """XYXY in pixels: a rectangle of the proportions of the image, of 1 - share of its area, less what sticks out."""
    half = 0.5 * math.sqrt(1 - share)
    edges = [(int(rng.integers(side)), int(half * side), side) for side in (size[1], size[0])]
    (left, right), (top, bottom) = ((max(at - h, 0), min(at + h, side)) for at, h, side in edges)
    return left, top, right, bottom


def _factors(multiscale: Sequence[float]) -> tuple[float, float]:
    if len(multiscale) != 2 or not 0 < multiscale[0] <= multiscale[1] <= 4:
        raise CandelabraError(
            f"data.multiscale={list(multiscale)} must be the least and the largest factor of data.size, above 0 and up "
            "to 4, such as [0.75,1.25]; or null."
        )
    return float(multiscale[0]), float(multiscale[1])
