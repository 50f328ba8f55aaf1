"""Images and masks in parallel folders, as CamVid (Brostow et al. 2009) has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.datamodule import DataModule
from candelabra.data.folder import must_be_folder
from candelabra.data.images import find_images, read_mask
from candelabra.data.records import Records
from candelabra.data.samples import SPLITS, Samples
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, Labels

LAYOUTS = (("{split}", "{split}annot"), ("images/{split}", "masks/{split}"), ("{split}/images", "{split}/masks"))
SCANNED = 2_000  # masks; of a larger set the classes must be given


@dataclass(kw_only=True, eq=False)
class Masks(DataModule):
    """`root/<split>` and `root/<split>annot`, `images/<split>` and `masks/<split>`, or `images` and `masks`.

    A mask has the name of its image, whatever the ending, and holds the index of the class in each pixel.

    Args:
        root: the folder.
        images, masks: other names of the folders, below root, where they are not divided into splits.
        classes: names of the classes by index; null numbers the values found.
        ignore: pixel values that neither teach nor count.
    """

    root: str
    images: str = "images"
    masks: str = "masks"
    classes: Sequence[str] | None = None
    ignore: Sequence[int] = (255,)

    def read(self) -> Samples:
        root = must_be_folder(self.root)
        pairs = [pair for split, images, masks in self._folders(root) for pair in _pairs(split, images, masks)]
        if not pairs:
            raise CandelabraError(f"There is no image with a mask below data.root={self.root}.")
        masks = [mask for _, _, mask in pairs]
        classes = list(self.classes) if self.classes else self._values(masks)
        meaning = np.full(256, IGNORED, np.uint8)
        meaning[: len(classes)] = range(len(classes))
        meaning[list(self.ignore)] = IGNORED
        return Records(
            root,
            [str(image.relative_to(root)) for _, image, _ in pairs],
            Labels(mask_classes=tuple(str(name) for name in classes)),
            np.array([split for split, _, _ in pairs], dtype="<U5"),
            masks=[str(mask.relative_to(root)) for mask in masks],
            meaning=meaning,
            ignored=self.ignore,
        )

    def _folders(self, root: Path) -> list[tuple[str, Path, Path]]:
        for images, masks in LAYOUTS:
            found = [(split, root / images.format(split=split), root / masks.format(split=split)) for split in SPLITS]
            there = [(split, image, mask) for split, image, mask in found if image.is_dir() and mask.is_dir()]
            if there:
                return there
        flat = ("", root / self.images, root / self.masks)
        if not (flat[1].is_dir() and flat[2].is_dir()):
            raise CandelabraError(
                f"data.root={self.root} has no folders of images and masks; expected train and trainannot, "
                "images/train and masks/train, or images and masks (other names: data.images=..., data.masks=...)."
            )
        return [flat]

    def _values(self, masks: Sequence[Path]) -> list[str]:
        if len(masks) > SCANNED:
            raise CandelabraError(f"Name the classes of these {len(masks)} masks: data.classes=[background,...].")
        same: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)
        values = {int(value) for mask in masks for value in np.unique(read_mask(mask, same))} - set(self.ignore)
        return [str(value) for value in range(max(values) + 1)]


def _pairs(split: str, images: Path, masks: Path) -> list[tuple[str, Path, Path]]:
    by_name = {mask.stem: mask for mask in find_images(masks)}
    pairs = []
    for image in find_images(images):
        if image.stem not in by_name:
            raise CandelabraError(f"{image} has no mask of its name in {masks}; add it, or take the image away.")
        pairs.append((split, image, by_name[image.stem]))
    return pairs
