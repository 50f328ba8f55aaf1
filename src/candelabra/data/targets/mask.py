"""The target `mask`: the class of every pixel."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.issues import DataIssue
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.drawing import WHITE, Colour, pick_class_colour
from candelabra.data.targets.mask_files import EncodedMaskColumn
from candelabra.data.targets.pixel_target import PixelTarget
from candelabra.types import IGNORED, Size


@dataclass(frozen=True)
class MaskTarget(PixelTarget):
    """The class of each pixel: (H, W) uint8, 255 where not labelled.

    Args:
        classes: their names, in the order of their index; class 0 is not tinted in pictures.
    """

    name: ClassVar[str] = "mask"
    position: ClassVar[int] = 3
    fields: ClassVar[tuple[str, ...]] = ("mask", "seg")
    hub_columns: ClassVar[tuple[str, ...]] = ("mask", "segmentation_mask", "annotation", "segmentation")
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "paste"
    dtype: ClassVar[torch.dtype] = torch.uint8
    unlabelled: ClassVar[float] = IGNORED
    tensor_class: ClassVar[type[tv_tensors.Mask]] = tv_tensors.Mask

    classes: tuple[str, ...] = ()

    def find_region(self, value: Tensor, size: Size) -> Tensor | None:
        """All classes but 0, which is the background."""
        inside: Tensor = (value != 0) & self.known(value)
        return inside if bool(inside.any()) else None

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        mask = value.numpy().astype(np.uint8)
        tint = np.asarray(picture, dtype=np.float32).copy()
        for number in np.unique(mask):
            if number not in (0, IGNORED):
                colour = np.array(pick_class_colour(int(number)))
                tint[mask == number] = 0.5 * tint[mask == number] + 0.5 * colour
        return Image.fromarray(tint.astype(np.uint8))

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes class indices as masks/<name>.png, a PNG with a palette, and masks/classes.csv, which names them."""
        image = Image.fromarray(value.as_subclass(Tensor).to(torch.uint8).numpy())
        colours = [*map(pick_class_colour, range(IGNORED)), WHITE]
        image.putpalette([channel for colour in colours for channel in colour])
        path = folder / f"{self.name}s" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        with path.with_name("classes.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [(number, each, *colours[number]) for number, each in enumerate(self.classes)]
            csv.writer(file).writerows([("value", "class", "red", "green", "blue"), *rows])

    def encode_map(self, value: Tensor) -> bytes:
        """Class indices (H, W) as a PNG of one channel."""
        made = io.BytesIO()
        Image.fromarray(value.as_subclass(Tensor).to(torch.uint8).numpy()).save(made, "PNG")
        return made.getvalue()

    def to_json_result(self, value: Tensor) -> Any:
        """The share of the pixels of each class that occurs, 0 to 1."""
        counts = torch.bincount(value.flatten().int(), minlength=len(self.classes))[: len(self.classes)].tolist()
        return {name: count / value.numel() for name, count in zip(self.classes, counts, strict=True) if count}

    @property
    def legend(self) -> Sequence[tuple[str, Colour]]:
        return [(name, pick_class_colour(number)) for number, name in enumerate(self.classes) if number]

    @property
    def confusion_classes(self) -> Sequence[str]:
        return self.classes

    @classmethod
    def read_table(cls, table: Any, root: Path, described: Self | None, issues: list[DataIssue]) -> TargetColumn | None:
        return None  # the reader has options of its own for masks

    @classmethod
    def read_files(cls, present: NDArray[np.bool_], described: Self | None) -> TargetColumn | None:
        return None if described is None else EncodedMaskColumn(described, present)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        rows, columns = (np.sort(rng.uniform(0.2, 0.8, 2) * side).astype(int) for side in size)
        value = torch.zeros(size, dtype=torch.uint8)
        value[rows[0] : rows[1] + 4, columns[0] : columns[1] + 4] = 1
        value[: size[0] // 10] = IGNORED
        return cls(("background", "thing")), value

    @property
    def draw_seed(self) -> int:
        return 3

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`pixels` counts pixels of each value, `images` is 1 for each value that is there; both have 256 places."""
        pixels = np.bincount(value.numpy().ravel(), minlength=256)
        pixels[IGNORED] = 0
        return {"pixels": pixels, "images": (pixels > 0).astype(np.int64)}
