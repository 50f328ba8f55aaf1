"""What the pixels of mask files mean: numbers, or colours by name."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.image_files import open_image
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import IGNORED

ColourMap = Mapping[str, Sequence[int]]
Colour = tuple[int, int, int]
_TRIED = 32  # masks


def read_colours(given: ColourMap | str | None, root: Path) -> dict[str, tuple[int, int, int]]:
    """Colours by the name of their class, in order; empty where masks hold numbers.

    Args:
        given: colours by name, or a CSV below root with the columns name, r, g and b.
        root: the data set's folder.

    Raises:
        CandelabraError: the table is missing, or a colour is none.
    """
    rows: Mapping[str, Sequence[object]] = _table(root / given) if isinstance(given, str) else given or {}
    colours: dict[str, tuple[int, int, int]] = {}
    for name, colour in rows.items():
        try:
            red, green, blue = (int(str(part)) for part in colour)
        except ValueError as error:
            raise CandelabraError(f"data.colours.{name}={colour} should be [red,green,blue].") from error
        if not all(0 <= part <= 255 for part in (red, green, blue)):
            raise CandelabraError(f"data.colours.{name}={list(colour)} should be three numbers from 0 to 255.")
        colours[clean_class_name(str(name))] = red, green, blue
    if len(colours) < len(rows):
        raise CandelabraError(f"data.colours={dict(rows)} names a class twice; give each name once.")
    if len(set(colours.values())) < len(colours):
        raise CandelabraError("Two classes of data.colours have the same colour; give each its own.")
    return colours


def _table(path: Path) -> dict[str, list[str]]:
    text = read_annotation_text(path, path.name, [])
    rows = [[cell.strip() for cell in row] for row in csv.reader((text or "").splitlines()) if any(row)]
    head = [cell.lower() for cell in rows[0]] if rows else []
    if not {"name", "r", "g", "b"} <= set(head):
        raise CandelabraError(f"data.colours={path} should be a CSV below data.root with the columns name, r, g and b.")
    columns = [head.index(word) for word in ("name", "r", "g", "b")]
    return {row[columns[0]]: [row[c] for c in columns[1:]] for row in rows[1:] if len(row) > max(columns)}


def match_colours(image: Image.Image, colours: Mapping[tuple[int, int, int], int]) -> NDArray[np.uint8]:
    """A mask of any mode -> (H, W) class indices; 255 where a colour is not listed."""
    codes = _codes(image)
    order = sorted(colours, key=_code)
    known = np.array([_code(colour) for colour in order], np.uint32)
    classes = np.array([colours[colour] for colour in order], np.uint8)
    places = np.searchsorted(known, codes).clip(max=len(known) - 1)
    return np.where(known[places] == codes, classes[places], np.uint8(IGNORED)).astype(np.uint8)


def count_colour_shares(image: Image.Image) -> dict[Colour, float]:
    """The colours of a mask of any mode, the most frequent first, and how much of it each has."""
    codes, counts = np.unique(_codes(image), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    total = int(counts.sum())
    return {(int(codes[i]) >> 16, int(codes[i]) >> 8 & 255, int(codes[i]) & 255): counts[i] / total for i in order}


def find_colours(paths: Sequence[Path]) -> dict[Colour, float]:
    """The colours of masks that are kept as such, the most frequent first, with the mean share of each.

    Some masks are looked at that are spread over all; none of them holds colours where the result is empty.
    """
    total: Counter[Colour] = Counter()
    painted = 0
    for place in np.linspace(0, len(paths) - 1, min(len(paths), _TRIED)).astype(int):
        with suppress(UnreadableFile), open_image(paths[place]) as image:
            found = count_colour_shares(image) if image.mode in ("RGB", "RGBA", "RGBX") else {}
            if any(len(set(colour)) > 1 for colour in found):  # else they are grey, and numbers
                painted += 1
                total.update(found)
    return {colour: share / painted for colour, share in total.most_common()}


def _codes(image: Image.Image) -> NDArray[np.uint32]:
    pixels = np.asarray(image.convert("RGB")).astype(np.uint32)
    return ((pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]).astype(np.uint32)


def _code(colour: tuple[int, int, int]) -> int:
    return (colour[0] << 16) | (colour[1] << 8) | colour[2]
