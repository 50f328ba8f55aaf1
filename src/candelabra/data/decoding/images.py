"""From files to pixels: images, masks, and what their headers tell."""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.covered_region import CoveredRegion, find_covered_region
from candelabra.data.decoding.image_files import (
    SWAPPED_ORIENTATIONS,
    ImageSource,
    compute_oriented_size,
    open_image,
    read_exif_orientation,
    shrink_while_decoding,
    turn_upright,
)
from candelabra.data.decoding.jpeg import read_jpeg
from candelabra.data.decoding.mask_colours import match_colours
from candelabra.data.decoding.paths import escape_path, is_inside
from candelabra.data.decoding.pixel_modes import convert_to_indices, convert_to_rgb
from candelabra.data.decoding.truncation import is_complete
from candelabra.data.issues import DataIssue
from candelabra.errors import UnreadableFile as UnreadableFile
from candelabra.types import IGNORED

log = logging.getLogger(__name__)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
IMAGE_SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx"}


class DecodedImage(NamedTuple):
    """A decoded image, as it is shown.

    Args:
        pixels: (H, W, 3) uint8 RGB, or (H, W) whole numbers of a mask.
        size: (width, height) of the file; more than that of the pixels where they were read smaller.
        orientation: that was applied, 1 to 8.
        odd: what was odd about it; the names are left empty.
    """

    pixels: NDArray[Any]
    size: tuple[int, int]
    orientation: int
    odd: list[DataIssue]

    @property
    def region(self) -> CoveredRegion:
        """What the pixels cover, in pixels of the file."""
        height, width = self.pixels.shape[:2]
        return find_covered_region((height, width), self.size[::-1], self.orientation)


class ImageHeader(NamedTuple):
    """What the header of an image file tells.

    Args:
        size: (width, height) as it is shown.
        orientation: that is to be applied, 1 to 8.
        mode: Pillow's word for what a pixel is.
        sure: nothing speaks against it that the pixels can be decoded.
    """

    size: tuple[int, int]
    orientation: int
    mode: str
    sure: bool


def find_images(folder: Path) -> Iterator[Path]:
    """The image files below a folder, sorted; see `find_files`."""
    return (path for path in find_files(folder) if path.suffix.lower() in IMAGE_SUFFIXES)


def find_files(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted; hidden ones are left out, and links to folders outside not followed.

    Each folder is looked into once, by whatever links it is reached.
    """
    seen: set[str] = set()
    found: list[Path] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        if os.path.realpath(here) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(here))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _followed(here / name, folder))
        folders.sort(
            key=lambda name: (here / name).is_symlink()
        )  # links last: what lies in two places has its own name
        found += [path for name in files if not name.startswith(".") and (path := here / name).is_file()]
    yield from sorted(found)


def _followed(path: Path, root: Path) -> bool:
    follow = not path.is_symlink() or is_inside(path, root)
    if not follow:
        log.warning("%s leads out of %s and is not looked into", escape_path(path), escape_path(root))
    return follow


def read_bytes(path: Path) -> bytes:
    """A file as it is.

    Raises:
        UnreadableFile: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{escape_path(path)} cannot be read ({escape_path(str(error))}).") from error


def hash_file(path: Path) -> bytes:
    """20 bytes that stand for the bytes of a file, of which few are in memory at once.

    Raises:
        UnreadableFile: the file is missing or cannot be read.
    """
    try:
        if not path.is_file():
            raise OSError("No such file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).digest()
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{escape_path(path)} cannot be read ({escape_path(str(error))}).") from error


def decode_image(path: ImageSource, least: tuple[int, int] | None = None) -> DecodedImage:
    """An image file, decoded; where a size is given, on the fast way, which does not tell all that is odd.

    Args:
        path: of the file; or its bytes.
        least: (H, W) as the image is shown; it may come smaller than it is, but in no direction smaller than this.
            One of more than `opening.LARGEST` pixels does so without being asked, and be it smaller than this.

    Raises:
        UnreadableFile: the file is missing or is no readable image.
    """
    quick = read_jpeg(path, least) if least else None
    if quick is not None:
        return DecodedImage(*quick, [])
    with open_image(path) as image:
        turn, odd = read_exif_orientation(image)
        size = compute_oriented_size(image)
        shrink_while_decoding(image, least[::-1] if least and turn in SWAPPED_ORIENTATIONS else least)
        pixels, more = convert_to_rgb(image)
        return DecodedImage(turn_upright(pixels, turn), size, turn, [*odd, *more])


def decode_mask(path: ImageSource, colours: Mapping[tuple[int, int, int], int] | None = None) -> DecodedImage:
    """A mask file, decoded to (H, W) numbers; where colours are given, to the number of each.

    Raises:
        UnreadableFile: the file is missing, is no readable image, or its pixels are no numbers.
    """
    with open_image(path) as image:
        turn, odd = read_exif_orientation(image)
        size = compute_oriented_size(image)
        values, more = convert_to_indices(image) if colours is None else (match_colours(image, colours), [])
        return DecodedImage(turn_upright(values, turn), size, turn, [*odd, *more])


def mask_to_classes(values: NDArray[Any], meaning: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class of each number of a mask; numbers beyond 255 have none."""
    known: NDArray[np.uint8] = meaning[np.minimum(values, len(meaning) - 1)]
    return known if values.dtype == np.uint8 else np.where(values < len(meaning), known, np.uint8(IGNORED))


def read_header(path: ImageSource) -> ImageHeader:
    """What an image file is, by its header and its end.

    Raises:
        UnreadableFile: the file is missing or is no image.
    """
    with open_image(path) as image:
        sure = image.mode not in ("I", "F") and is_complete(image, path)
        return ImageHeader(compute_oriented_size(image), read_exif_orientation(image)[0], image.mode, sure)


def read_image_size(path: ImageSource) -> tuple[int, int]:
    """(width, height) from the header of an image file, as it is shown.

    Raises:
        UnreadableFile: the file is missing or is no image.
    """
    with open_image(path) as image:
        return compute_oriented_size(image)
