"""The words of the house as types: what a sample holds, what a data set labels, what a backbone returns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NotRequired, Self, TypedDict, overload

from torch import Tensor

TARGETS = ("label", "box", "keypoints", "mask")
UNLABELLED = -1  # a class that nobody gave
IGNORED = 255  # a mask pixel that nobody gave
WORDS: Mapping[str, tuple[str, ...]] = {  # the fields of `Labels` that are about a target
    "label": ("classes", "multilabel"),
    "box": ("box",),
    "keypoints": ("keypoints", "mirror", "normalizer"),
    "mask": ("mask_classes",),
}


class Features(NamedTuple):
    """What a backbone makes of images (N, 3, H, W)."""

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


class Sample(TypedDict):
    """One item of a data set; a batch adds a leading N.

    A target that a data set labels is in every sample; where one sample lacks it, its values say so. A batch from
    a cache has `features` in place of `image`.
    """

    image: Tensor  # (3, H, W) uint8, or float in [0, 1]; how it is normalised is the backbone's business
    features: NotRequired[Features]  # of a whole batch, where a frozen backbone has seen its images before
    label: NotRequired[Tensor]  # () int64, -1 where not labelled; multi-label: (C,) float32 of 0 and 1, NaN
    box: NotRequired[Tensor]  # (4,) float32 XYXY pixels, NaN where not labelled
    keypoints: NotRequired[Tensor]  # (K, 2) float32 XY pixels, NaN for a point not labelled or not visible
    mask: NotRequired[Tensor]  # (H, W) uint8 class index, 255 where not labelled
    colours: NotRequired[Tensor]  # (3,) in training, to be put on the image: see `data.augment.colour`
    rows: NotRequired[dict[str, Tensor]]  # of a whole batch: for each head, (n,) which samples it has labels for
    blend: NotRequired[Blend]  # of a whole batch in training, to be done to its images; a mask is pasted already
    shares: NotRequired[dict[str, Any]]  # for each head, `tasks.blending.Shares`, where there is a blend
    size: NotRequired[tuple[int, int]]  # of a whole batch in training: (H, W) that it is to be resized to


class SelectedRows(Sequence[Tensor]):
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
        return self.maps[index].index_select(0, self.rows)


def count_samples(batch: Sample) -> int:
    """How many samples a batch holds."""
    return len(batch["features"].final if "features" in batch else batch["image"])


@dataclass(frozen=True)
class Labels:
    """What a data set labels, and the names it gives.

    Args:
        classes: names of the classes of `label`; empty where images carry no class.
        multilabel: several classes may hold for one image.
        box: each image has at most one box.
        keypoints: names of the points; empty where there are none.
        mirror: for each point, the index of the point it becomes in a mirror image (left eye <-> right eye).
        normalizer: the two points whose distance makes the keypoint error relative (outer eye corners, say);
            empty for the diagonal of the image.
        mask_classes: names of the classes of `mask`, in the order of their index.
    """

    classes: tuple[str, ...] = ()
    multilabel: bool = False
    box: bool = False
    keypoints: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()
    normalizer: tuple[int, ...] = ()
    mask_classes: tuple[str, ...] = ()

    def only(self, targets: Collection[str]) -> Self:
        """The same without all other targets."""
        return replace(type(self)(), **{word: vars(self)[word] for target in targets for word in WORDS[target]})

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that are labelled, in the order of `TARGETS`."""
        given = (bool(self.classes), self.box, bool(self.keypoints), bool(self.mask_classes))
        return tuple(target for target, there in zip(TARGETS, given, strict=True) if there)

    @classmethod
    def restore(cls, plain: Mapping[str, Any]) -> Self:
        """Builds it again from `dataclasses.asdict`, as a checkpoint keeps it."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        return cls(**values)
