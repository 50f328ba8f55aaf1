"""The contract of a target: one kind of label, and how the pipeline stores, moves, writes and draws it."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets.geometry import Part, ResizeGeometry
from candelabra.data.targets.predicted_target import PredictedTarget
from candelabra.data.targets.stored_target import StoredTarget
from candelabra.types import Size


class Target(StoredTarget, PredictedTarget, ABC):
    """One kind of label of one data set; a final class is a frozen dataclass of what the data set says about it.

    A value is a tensor of one sample, in pixels where it has a place. "Not labelled" is a value (`missing`) which
    differs from every label, also from "labelled: nothing is there". The defaults below suit a target without a place.

    Attributes:
        name: key in samples, batches, `Labels`, `data.targets`, `data.labelled` and results; see `rename`.
        classes: names of the classes that its values tell; none for targets without classes.
        fields: names under which tables and shards hold it; the first is written.
        hub_columns: names of columns that are taken for it in Hugging Face data sets; `fields` where empty.
        in_files: its values lie in files of their own (`to_file`), not in JSON.
        file_suffix: of the names of these files.
        blend: what mixup and cutmix do with it: mix the losses of both labels, paste pixels, or refuse.
        placed: its values lie somewhere in the image: in its pixels.
        ragged: values of samples differ in length, and `collate` fills them up.
        joins: the value of several images put together is that of each, one after the other.
        upright: rotation and shear would make the label wrong, so augmentation leaves them out.
        position: in listings and tables, lower ones first.
        layer: targets of lower layers are drawn below others.
        least_crop: smallest share of the image that strong augmentation may cut out, above 0 and up to 1.
        min_visible: share of its area that a crop must leave of an object for it to stay labelled.
    """

    name: ClassVar[str]
    classes: tuple[str, ...] = ()
    fields: ClassVar[tuple[str, ...]] = ()
    hub_columns: ClassVar[tuple[str, ...]] = ()
    in_files: ClassVar[bool] = False
    file_suffix: ClassVar[str] = ".png"
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "refuse"
    placed: ClassVar[bool] = False
    ragged: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    upright: ClassVar[bool] = False
    position: ClassVar[int] = 100
    layer: ClassVar[int] = 1
    least_crop: ClassVar[float] = 0.25
    min_visible: ClassVar[float] = 0.2

    # Values

    @abstractmethod
    def missing(self, size: Size) -> Tensor:
        """The value of a sample that nobody labelled.

        Args:
            size: (H, W) of the image.
        """

    def blank_like(self, value: Tensor) -> Tensor:
        """The unlabelled value in the shape and class of another, or of a batch (N, ...)."""
        size = (value.shape[-2], value.shape[-1]) if value.ndim > 1 else (1, 1)
        # An in-place operation on a tv_tensor returns a plain tensor, so the class is put back explicitly.
        blank = self.missing(size).to(value.device).expand(value.shape).clone()
        return tv_tensors.wrap(blank, like=value) if isinstance(value, tv_tensors.TVTensor) else blank

    @abstractmethod
    def is_labelled(self, values: Tensor) -> Tensor:
        """Whether each value of a batch (N, ...) is labelled: (N,) bool."""

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        """The value as a `tv_tensors` class, so that torchvision's transforms move it with the image.

        Args:
            value: of one sample.
            size: (H, W) of its image.
        """
        return value

    def unwrap(self, value: Tensor) -> Tensor:
        """The value as a plain tensor, as batches hold it."""
        return value.as_subclass(Tensor) if isinstance(value, tv_tensors.TVTensor) else value

    def collate(self, values: Sequence[Tensor]) -> Tensor:
        """The plain values of some samples as a batch (N, ...)."""
        return torch.stack(list(values))

    # Geometry

    def crop_and_resize(self, value: Tensor, part: Part, size: Size) -> Tensor:
        """A wrapped value after the image was cropped to `part` and resized to (H, W) = `size`."""
        return value

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        """A wrapped value in the image of (H, W) = `size` mirrored left to right."""
        return value

    @property
    def mirror_problem(self) -> str:
        """Why images with this target are not mirrored in training, in words; empty where they may be."""
        return ""

    def clip(self, value: Tensor, size: Size) -> Tensor:
        """A wrapped value after a geometric transform: what left the image of (H, W) = `size` is unlabelled."""
        return value

    def with_min_visible(self, share: float) -> Self:
        """The same target with another `min_visible`, which targets of objects go by in `clip`."""
        changed = copy(self)
        object.__setattr__(changed, "min_visible", share)
        return changed

    @property
    def fill(self) -> Mapping[type, float]:
        """For the class of `wrap`, the value of pixels where there is no image; nothing for values without pixels."""
        return {}

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        """A prediction in the pixels of the original image."""
        return value

    def resize_batch(self, values: Tensor, old: Size, new: Size) -> Tensor:
        """Values (N, ...) of a batch whose images are resized from (H, W) = `old` to `new`."""
        return values

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        """A value for a picture of (H, W) = `size`, which is `factor` times the image."""
        return value

    # Pictures; predictions are in `PredictedTarget`

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        """The picture with the value drawn on it; labels and predictions alike.

        Args:
            picture: RGB, as large as the image that the value belongs to.
            value: as in a batch, or as `Head.predict` gives it.
        """
        return picture

    def draw_truth(self, picture: Image.Image, value: Tensor) -> Image.Image:
        """The picture, on which `draw` drew a prediction, with the label in white; unchanged where both would mix.

        Args:
            picture: see `draw`.
            value: as in a batch, labelled.
        """
        return picture

    # Description

    def find_region(self, value: Tensor, size: Size) -> Tensor | None:
        """The pixels that a value says to be of the object: (H, W) bool; null where it has none, or is unlabelled.

        Args:
            value: of one sample, plain.
            size: (H, W) of the image.
        """
        return None

    @classmethod
    @abstractmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        """A target and one labelled value of it, for contract tests and docs.

        Args:
            size: (H, W) of the image, at least 32 pixels a side.
            rng: draws the value, but not the target: all examples of a class have equal targets.

        Returns:
            The target, and a plain value (not a `tv_tensors` class) that files hold without loss. What has a place
            lies in the middle three fifths of the image, and maps change little from pixel to pixel.
        """

    def rename(self, name: str) -> Self:
        """The same target under another name; data sets of a union may label different things of one kind."""
        renamed = copy(self)
        object.__setattr__(renamed, "name", name)
        return renamed

    def merge(self, other: Self) -> Self | None:
        """The target of two data sets together, whose values can be part of it; null where there is none."""
        return self if self == other else None

    def match_value(self, value: Tensor, given: Self, size: Size) -> Tensor:
        """A wrapped value of `given`, which was merged into this target, as a value of this one.

        Args:
            value: of one sample.
            given: the target of its data set.
            size: (H, W) of its image.
        """
        return value

    def drop_training_fields(self) -> Self:
        """The same without what only training asks for; data that differ in no more can be measured by a checkpoint."""
        return self

    @property
    def draw_seed(self) -> int:
        """Seed of what `data.labelled` draws for this target; equal in all runs, whatever other targets there are."""
        return zlib.crc32(self.name.encode())

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """Counts of one value for `candelabra check`: arrays of fixed shapes by name, which it adds up.

        Args:
            value: of one sample, labelled or not; what is not labelled adds nothing.
            size: (H, W) of its image.
        """
        return {}
