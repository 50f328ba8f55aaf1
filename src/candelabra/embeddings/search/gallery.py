"""Queries and what is nearest to them, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.images import decode_image
from candelabra.data.decoding.paths import escape_path
from candelabra.errors import UnreadableFile

_SIDE = 128  # pixels of an image in the picture
_LONGEST = 18  # letters of a caption


class GalleryCard(NamedTuple):
    """An image with words below it.

    Args:
        path: of its file; "" where it has none.
        words: a line or two.
    """

    path: str
    words: str


def draw_gallery(rows: Sequence[Sequence[GalleryCard]], path: Path) -> None:
    """One row a query: itself, then what is nearest.

    Args:
        rows: of equal length.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.35 * len(rows[0]), 1.75 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, cards in enumerate(rows):
        for column, card in enumerate(cards):
            cell = axes[row, column]
            cell.imshow(load_thumbnail(card.path))
            cell.set_xticks([])
            cell.set_yticks([])
            cell.set_title(card.words, fontsize=7, parse_math=False)
            for edge in cell.spines.values():
                edge.set_color("black" if column == 0 else "lightgrey")
                edge.set_linewidth(2.5 if column == 0 else 0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def load_thumbnail(path: str) -> NDArray[np.uint8]:
    """(H, W, 3), with a longer side of `_SIDE`; grey where there is no file any more."""
    from PIL import Image

    try:
        if not path:
            raise UnreadableFile("There is no file.")
        small = Image.fromarray(decode_image(Path(path), (_SIDE, _SIDE)).pixels)
        small.thumbnail((_SIDE, _SIDE))
        return np.asarray(small)
    except UnreadableFile:
        return np.full((_SIDE, _SIDE, 3), 200, np.uint8)


def shorten_name(word: str) -> str:
    """The end of a word that is too long for a caption.

    >>> shorten_name("a_very_long_name_of_a_file.jpg")
    '…ng_name_of_a_file'
    """
    stem = escape_path(Path(word).stem)
    return stem if len(stem) <= _LONGEST else "…" + stem[1 - _LONGEST :]
