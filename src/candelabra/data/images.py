"""From files to pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from candelabra.data.jpeg import read_jpeg
from candelabra.errors import CandelabraError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


class Unreadable(CandelabraError):
    """A file that cannot be read as what it should be."""


def find_images(folder: Path) -> Iterator[Path]:
    """The image files below a folder, sorted, hidden ones left out."""
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_bytes(path: Path) -> bytes:
    """A file as it is.

    Raises:
        Unreadable: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error}).") from error


def read_image(path: Path, least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """An image file -> (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Args:
        path: of the file.
        least: see `Samples.load`.

    Raises:
        Unreadable: the file is missing or is no readable image.
    """
    pixels = read_jpeg(read_bytes(path), least)
    if pixels is not None:
        return pixels
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise Unreadable(f"{path} cannot be read as an image ({error}).") from error


def read_mask(path: Path, meaning: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask file -> (H, W) uint8 class indices; `meaning[value]` is the class of a pixel value."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1"):
                raise Unreadable(f"{path} has mode {image.mode}; a mask holds one number a pixel (mode L or P).")
            return meaning[np.asarray(image, dtype=np.uint8)]
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise Unreadable(f"{path} cannot be read as a mask ({error}).") from error


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) from the header of an image file, as it is shown.

    Raises:
        Unreadable: the file is missing or is no image.
    """
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return image.size[::-1] if turned else image.size
    except (OSError, UnidentifiedImageError) as error:
        raise Unreadable(f"{path} cannot be read as an image ({error}).") from error
