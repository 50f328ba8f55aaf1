"""What part of a file the pixels of an image cover that was decoded smaller."""

from typing import NamedTuple

from candelabra.types import Size

_DIVISORS = (1, 2, 4, 8)  # by which a JPEG can be divided while it is decoded
_MIRRORED_ROWS, _MIRRORED_COLUMNS = (3, 4, 7, 8), (2, 3, 6, 7)  # EXIF orientations that turn these round


class CoveredRegion(NamedTuple):
    """The part of an image that decoded pixels cover, in pixels of the file, as it is shown.

    A JPEG of 375 columns read at 1/2 has 188: they cover 376, the last of which is made up by the decoder. Labels of
    the file are to be divided by 2, not by 375 / 188.

    Args:
        rows: start, stop and whole: from which row to which the pixels reach, and how many rows the file has.
        columns: likewise.
    """

    rows: tuple[int, int, int]
    columns: tuple[int, int, int]

    @property
    def corner(self) -> tuple[int, int]:
        """X and Y at which the pixels begin, in pixels of the file; at most 0."""
        return self.columns[0], self.rows[0]

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height that the pixels cover, in pixels of the file."""
        return self.columns[1] - self.columns[0], self.rows[1] - self.rows[0]


def find_covered_region(pixels: Size, file: Size, orientation: int = 1) -> CoveredRegion:
    """The part of a file of (H, W) that pixels of (H, W) cover.

    Args:
        pixels: size of the image as it was decoded and turned.
        file: its size as it is shown.
        orientation: that was applied, 1 to 8.

    >>> find_covered_region((188, 250), (375, 500))
    CoveredRegion(rows=(0, 376, 375), columns=(0, 500, 500))
    """
    fitting = (d for d in _DIVISORS if all(-(-side // d) == small for side, small in zip(file, pixels, strict=True)))
    divisor = next(fitting, 0)
    reach = (pixels[0] * divisor, pixels[1] * divisor) if divisor else file
    mirrored = (orientation in _MIRRORED_ROWS, orientation in _MIRRORED_COLUMNS)
    rows, columns = (
        (side - end, side, side) if turned else (0, end, side)
        for side, end, turned in zip(file, reach, mirrored, strict=True)
    )
    return CoveredRegion(rows, columns)
