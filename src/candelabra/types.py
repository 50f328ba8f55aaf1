"""The words of the house as types: what a sample holds, what a data set labels, what a backbone returns."""

from __future__ import annotations  # what reads images and serves exported models does so without torch

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]  # (height, width) in pixels
WidthHeight = tuple[int, int]  # in pixels, as Pillow and most annotation formats have it

UNLABELLED = -1  # a class that nobody gave
IGNORED = 255  # a mask pixel that nobody gave


class Features(NamedTuple):
    """What a backbone makes of images (N, 3, H, W); of V views of each only `final`, (N, V, ...)."""

    maps: Sequence[Tensor]  # (N, channels[i], about H / strides[i], W / strides[i]), finest first
    final: Tensor  # (N, num_features, h, w): what the backbone's own pooling and classifier would have read
    size: tuple[int, int]  # (H, W) of the images, in pixels


class Blend(NamedTuple):
    """How each image of a batch is blended with its partner, the one before it.

    Args:
        share: of the image itself, 0 to 1; by area where there is a place.
        place: XYXY pixels of what comes from the partner, and nothing else does; null where all pixels are mixed.
    """

    share: float
    place: tuple[int, int, int, int] | None


Sample = dict[str, Any]
"""One item of a data set, or a batch with a leading N: the image, and a value for each target that the data label.

image: (3, H, W) uint8, or float in [0, 1]; the backbone normalises it.
<target>: see `candelabra.data.targets`; where a sample is not labelled, its value says so.
features: `Features` of a whole batch, in place of the image where a frozen backbone has seen it before; where only its
    first stages are frozen, their maps, of which `final` is the last.
colours: (3,) in training, to be put on the image; see `data.transforms.colour_jitter`.
rows: of a whole batch, for each head, (n,) which samples it has labels for.
blend: `Blend` of a whole batch in training, to be done to its images; pixel targets are pasted already.
shares: of a whole batch, for each head, `tasks.mixup.BlendShares`, where there is a blend.
size: of a whole batch in training, (H, W) that it is to be resized to.
"""


class SelectedRows(Sequence["Tensor"]):
    """Some samples of feature maps, picked when a map is read: most heads read few of them.

    Args:
        maps: each (N, C, h, w).
        rows: (n,) int64, which samples.
    """

    def __init__(self, maps: Sequence[Tensor], rows: Tensor) -> None:
        self.maps, self.rows = maps, rows

    def __len__(self) -> int:
        return len(self.maps)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Tensor | Self:
        if isinstance(index, slice):
            return type(self)(self.maps[index], self.rows)
        # The backward of index_select on a channels_last map is three times faster than that of indexing, although its
        # output is not channels_last.
        return self.maps[index].index_select(0, self.rows)


def count_samples(batch: Sample) -> int:
    """How many samples a batch holds."""
    first: Tensor = batch["features"].final if "features" in batch else batch["image"]
    return first.shape[0]
