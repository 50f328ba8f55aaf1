"""Draw queries and their nearest images."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.images import decode_image
from candelabra.data.decoding.paths import escape_path
from candelabra.data.glyphs import replace_missing_glyphs, save_figure
from candelabra.errors import UnreadableFile

_SIDE = 128  # pixels of an image in the picture
_LONGEST = 18  # letters of a caption


class GalleryCard(NamedTuple):
    """An image with a caption.

    Args:
        path: of its file; "" if it has none.
        words: the caption, one or two lines.
    """

    path: str
    words: str


def draw_gallery(rows: Sequence[Sequence[GalleryCard]], path: Path) -> None:
    """Draw one row per query: the query, then its nearest images.

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
            cell.set_title("\n".join(map(replace_missing_glyphs, card.words.split("\n"))), fontsize=7, parse_math=False)
            for edge in cell.spines.values():
                edge.set_color("black" if column == 0 else "lightgrey")
                edge.set_linewidth(2.5 if column == 0 else 0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path, dpi=120)


def load_thumbnail(path: str) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) with a longer side of `_SIDE` pixels; grey if the file does not exist."""
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
    """Return the stem of a path, cut to its end if it is too long for a caption.

    >>> shorten_name("a_very_long_name_of_a_file.jpg")
    '…ng_name_of_a_file'
    """
    stem = escape_path(Path(word).stem)
    return stem if len(stem) <= _LONGEST else "…" + stem[1 - _LONGEST :]
