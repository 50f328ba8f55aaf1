"""Images and masks in parallel folders or in lists, as CamVid (Brostow et al. 2009) has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.images import UnreadableFile, open_mask
from candelabra.data.decoding.mask_colours import find_colours, read_colours
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue
from candelabra.data.labels_json import LABELS_FILE
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.mask_pairs import MaskPair, find_mask_folders, find_mask_lists, find_mask_pairs
from candelabra.data.readers.reader import FormatMatch, Reader
from candelabra.data.samples import AmbiguousDataset, Samples
from candelabra.data.targets import MaskTarget
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import IGNORED

_SCANNED = 2_000  # masks; of a larger set the classes must be given
_LISTED = 32  # colours that an error names


@dataclass(frozen=True, kw_only=True)
class Masks(Reader):
    """`root/<split>` and `root/<split>annot`, `images/<split>` and `masks/<split>`, or `images` and `masks`.

    A mask has the name of its image, whatever the ending. Lists `<split>.txt` with an image and a mask a line go
    before folders; their paths may be those of another machine. What a pixel means is said by one of `classes`,
    `values` and `colours`.

    Args:
        root: the folder.
        images, masks: other names of the folders, below root, where they are not divided into splits.
        classes: names of the classes by index; null numbers the values found.
        values: the pixel value, or values, of each class by its name: {background: 0, pet: 255}.
        colours: the colour of each class by its name, {sky: [128,128,128], ...}, or a CSV below root with the columns
            name, r, g and b; a pixel of another colour is not labelled.
        ignore: pixel values that neither teach nor count; with `colours`, names of classes.
    """

    root: str
    images: str = "images"
    masks: str = "masks"
    classes: Sequence[str] | None = None
    values: Mapping[str, int | Sequence[int]] | None = None
    colours: Mapping[str, Sequence[int]] | str | None = None
    ignore: Sequence[int | str] = (255,)

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
        for word in self.ignore if painted else ():
            if isinstance(word, str) and word not in painted:
                raise CandelabraError(f"data.ignore names {word}; data.colours has {list_nearest(word, painted)}.")
        names, meaning = (
            self._meaning(pairs)
            if not painted
            else ([n for n in painted if n not in self.ignore], np.arange(256, dtype=np.uint8))
        )
        column = MaskFileColumn(
            MaskTarget(tuple(names)),
            root,
            [str(mask.relative_to(root)) if mask else "" for _, _, mask in pairs],
            meaning,
            ignored=[value for value in (*self.ignore, IGNORED) if isinstance(value, int)],
            colours={painted[n]: names.index(n) if n in names else IGNORED for n in painted} if painted else None,
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

    def _meaning(self, pairs: Sequence[MaskPair]) -> tuple[list[str], NDArray[np.uint8]]:
        """Names of the classes, and the class of each pixel value."""
        ignored = [value for value in self.ignore if isinstance(value, int)]
        if len(ignored) < len(self.ignore):
            raise CandelabraError(
                f"data.ignore={list(self.ignore)} should be pixel values; names go with data.colours."
            )
        if self.values:
            given = {str(name): _all(values) for name, values in self.values.items()}
        else:
            names = list(self.classes) if self.classes else self._found([mask for _, _, mask in pairs if mask], ignored)
            given = {str(name): [value] for value, name in enumerate(names)}
            if len(given) < len(names):
                raise CandelabraError(f"data.classes={names} names a class twice; give its values with data.values.")
        used = [value for values in given.values() for value in values]
        if len(set(used)) < len(used) or not all(0 <= value <= 255 for value in used):
            raise CandelabraError(f"data.values={given} should be numbers from 0 to 255, each of one class.")
        meaning = np.full(256, IGNORED, np.uint8)
        for place, values in enumerate(given.values()):
            meaning[values] = place
        meaning[ignored] = IGNORED
        return list(given), meaning

    def _found(self, masks: Sequence[Path], ignored: Sequence[int]) -> list[str]:
        if len(masks) > _SCANNED:
            raise CandelabraError(f"Name the classes of these {len(masks)} masks: data.classes=[background,...].")
        same: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)
        values: set[int] = set()
        bad: list[UnreadableFile] = []
        for mask in masks:
            try:
                values |= set(np.unique(open_mask(mask, same)).tolist())
            except UnreadableFile as error:  # counts as not labelled later
                bad.append(error)
        if len(bad) == len(masks):
            raise bad[0]
        values -= set(ignored)
        if not values:
            raise CandelabraError(f"All pixels of the masks below data.root={self.root} are in data.ignore={ignored}.")
        return [str(value) for value in range(max(values) + 1)]


def _all(values: int | Sequence[int]) -> list[int]:
    return [values] if isinstance(values, int) else list(values)
