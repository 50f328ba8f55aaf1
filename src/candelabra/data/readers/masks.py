"""Images and masks in parallel folders or in lists, as CamVid (Brostow et al. 2009) has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.class_words import clean_listed_names
from candelabra.data.decoding.mask_colours import find_colours, read_colours
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue
from candelabra.data.labels_json import LABELS_FILE
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.mask_bits import add_stored_values
from candelabra.data.readers.mask_class_tables import read_mask_class_tables
from candelabra.data.readers.mask_pairs import MaskPair, find_mask_folders, find_mask_lists, find_mask_pairs
from candelabra.data.readers.mask_values import MaskValues, find_mask_values, name_mask_values, number_mask_classes
from candelabra.data.readers.reader import FormatMatch, Reader
from candelabra.data.samples import AmbiguousDataset, Samples
from candelabra.data.targets import MaskTarget
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import IGNORED

_SAME: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)  # classes of masks whose colours are matched
_LISTED = 32  # colours that an error names


@dataclass(frozen=True, kw_only=True)
class Masks(Reader):
    """`root/<split>` and `root/<split>annot`, `images/<split>` and `masks/<split>`, or `images` and `masks`.

    A mask has the name of its image, whatever the ending; `_mask`, `_gt`, `_label`, `_L` and the like may follow it.
    Folders of other usual names are found too, such as `Training_Images` and `Ground_Truth`. Lists `<split>.txt` with
    an image and a mask a line go before folders; their paths may be those of another machine. Splits may hold 1.jpg
    and 1_mask.png side by side, and `_classes.csv` with the columns Pixel Value and Class, as Roboflow exports them.
    What a pixel means is said by one of `classes`, `values` and `colours`.

    Args:
        root: the folder.
        images, masks: other names of the folders, below root, where they are not divided into splits.
        classes: names of the classes by index; null numbers the values found.
        values: the pixel value, or values, of each class by its name: {background: 0, pet: 255}.
        colours: the colour of each class by its name, {sky: [128,128,128], ...}, or a CSV below root with the columns
            name, r, g and b; a pixel of another colour is not labelled.
        ignore: pixel values that neither teach nor count; with `colours`, names of classes. Null for 255, unless
            `values` gives 255 to a class, or masks hold nothing but 0 and 255: background and foreground.
    """

    root: str
    images: str = "images"
    masks: str = "masks"
    classes: Sequence[str] | None = None
    values: Mapping[str, int | float | Sequence[int | float]] | None = None
    colours: Mapping[str, Sequence[int]] | str | None = None
    ignore: Sequence[int | str] | None = None

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        if all((root / name).is_file() for name in ("table.csv", LABELS_FILE)):
            return None  # `candelabra convert` wrote it: masks beside a table
        reader = cls(root=str(root))
        if find_mask_lists(root, []):
            return FormatMatch("masks", "lists of images and masks", reader)
        try:
            _, images, masks = find_mask_folders(root, "images", "masks")[0]
        except CandelabraError:
            return None
        return FormatMatch("masks", f"{images.relative_to(root)} and {masks.relative_to(root)}", reader)

    def read(self) -> Samples:
        if sum(map(bool, (self.classes, self.values, self.colours))) > 1:
            raise CandelabraError("data.classes, data.values and data.colours say the same; give one of them.")
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        pairs = find_mask_pairs(root, self.images, self.masks, issues)
        if not pairs:
            raise CandelabraError(f"There is no image with a mask below data.root={self.root}.")
        painted = read_colours(self.colours, root)
        if not painted:
            self._refuse_colours(root, pairs, issues)
        left_out = clean_listed_names(self.ignore or ())
        for word in left_out if painted else ():
            if isinstance(word, str) and word not in painted:
                raise CandelabraError(f"data.ignore names {word}; data.colours has {list_nearest(word, painted)}.")
        paths = [str(mask.relative_to(root)) if mask else "" for _, _, mask in pairs]
        named = (
            MaskValues([name for name in painted if name not in left_out], _SAME, self._list_ignored([]))
            if painted
            else self._meaning(root, [path for path in paths if path], issues)
        )
        column = MaskFileColumn(
            MaskTarget(tuple(named.classes)),
            root,
            paths,
            named.meaning,
            ignored=[*named.ignored, IGNORED],
            colours={painted[n]: named.classes.index(n) if n in named.classes else IGNORED for n in painted}
            if painted
            else None,
        )
        images = [str(image.relative_to(root)) for _, image, _ in pairs]
        return FileSamples(root, images, np.array([split for split, _, _ in pairs], dtype="<U5"), [column], issues)

    def _refuse_colours(self, root: Path, pairs: Sequence[MaskPair], issues: list[DataIssue]) -> None:
        """Where masks hold colours, says which.

        Raises:
            AmbiguousDataset: they do; the images can be looked at.
        """
        found = find_colours([mask for _, _, mask in pairs if mask])
        if not found:
            return
        listed = [f"{list(colour)} ({share:.1%})" for colour, share in list(found.items())[:_LISTED]]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        images = [str(image.relative_to(root)) for _, image, _ in pairs]
        samples = FileSamples(root, images, np.array([split for split, _, _ in pairs], dtype="<U5"), [], issues)
        raise AmbiguousDataset(
            f"The masks below data.root={self.root} hold colours: {', '.join(listed)}{more}. Name the class of each "
            f"with data.colours={{name: {list(next(iter(found)))}, ...}}, or with data.colours=<CSV below root> and "
            "the columns name, r, g and b.",
            samples,
        )

    def _meaning(self, root: Path, paths: Sequence[str], issues: list[DataIssue]) -> MaskValues:
        """Names of the classes, and the class of each pixel value."""
        ignored = None if self.ignore is None else self._list_ignored(self.ignore)
        if self.values:
            return add_stored_values(name_mask_values(self.values, ignored), root, paths, issues)
        if self.classes:
            return number_mask_classes(self.classes, ignored, root, paths, issues)
        listed = read_mask_class_tables([(root / path).parent for path in paths])
        if listed:
            return add_stored_values(name_mask_values(listed, ignored), root, paths, issues)
        return find_mask_values(ignored, root, paths, issues)

    def _list_ignored(self, words: Sequence[int | str]) -> list[int]:
        if not all(isinstance(word, int) for word in words):
            raise CandelabraError(f"data.ignore={list(words)} should be pixel values; names go with data.colours.")
        return [word for word in words if isinstance(word, int)]
