"""The fast way from a JPEG file to pixels; what it leaves out is read by Pillow, see `images.picture`."""

import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.image_files import (
    EXIF_ORIENTATION,
    LARGEST_IMAGE,
    ORIENTATION_TURNS,
    SWAPPED_ORIENTATIONS,
    ImageSource,
    RawBytes,
    turn_upright,
)

# The scales that libjpeg-turbo decodes faster than the whole image; other eighths take longer. Half of its time is
# entropy decoding, which no scale saves.
_SCALES = (8, 4, 2)
_BYTES = 2 * LARGEST_IMAGE  # of a file; a larger one is not read whole


class JpegDecoding(NamedTuple):
    """A decoded image.

    Args:
        pixels: (H, W, 3) uint8 RGB, as it is shown.
        size: (width, height) of the file, as it is shown.
        orientation: that was applied, 1 to 8.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    orientation: int


def read_jpeg(path: ImageSource, least: tuple[int, int]) -> JpegDecoding | None:
    """A JPEG file -> (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    At the scale of the file the pixels are those that Pillow gives, bit for bit; at 1/2, 1/4 and 1/8 likewise.

    Args:
        path: of the file; or its bytes.
        least: (H, W), as the image is shown; it comes at 1/2, 1/4 or 1/8 where that is not smaller in any direction.

    Returns:
        Null for what is no JPEG, is odd (CMYK, an orientation in XMP alone, over `LARGEST_IMAGE` pixels), is damaged or
        cannot be read.
    """
    content = path.content if isinstance(path, RawBytes) else _content(path)
    return _decoded(content, least) if content.startswith(b"\xff\xd8") else None


def _content(path: Path) -> bytes:
    try:
        entry = path.stat()
        return path.read_bytes() if stat.S_ISREG(entry.st_mode) and entry.st_size <= _BYTES else b""
    except (OSError, ValueError):
        return b""


def _decoded(content: bytes, least: tuple[int, int]) -> JpegDecoding | None:
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        turn = find_jpeg_orientation(content)
        if colours not in ("YCbCr", "Gray") or turn is None or width * height > LARGEST_IMAGE:
            return None
        shown = (width, height) if turn in SWAPPED_ORIENTATIONS else (height, width)
        scale = choose_jpeg_scale(shown, least)
        small = (-(-height // scale), -(-width // scale))
        pixels = simplejpeg.decode_jpeg(content, "RGB", min_height=small[0], min_width=small[1])
    except (ValueError, IndexError, struct.error):
        return None
    return JpegDecoding(turn_upright(pixels, turn), shown[::-1], turn if turn in ORIENTATION_TURNS else 1)


def choose_jpeg_scale(size: tuple[int, int], least: tuple[int, int]) -> int:
    """The largest of 8, 4, 2 and 1 that an image of (H, W) may be divided by.

    >>> choose_jpeg_scale((750, 1000), (317, 317)), choose_jpeg_scale((375, 500), (317, 317))
    (2, 1)
    """
    fitting = (
        scale for scale in _SCALES if all(-(-side // scale) >= low for side, low in zip(size, least, strict=True))
    )
    return next(fitting, 1)


def find_jpeg_orientation(content: bytes) -> int | None:
    """The EXIF orientation of a JPEG file, 1 where it has none; null where only Pillow can tell.

    Raises:
        struct.error, IndexError: the file ends too early.
    """
    found = 1
    for segment in _application_segments(content):
        if segment.startswith(b"Exif\0\0"):
            given = _in_exif(segment[6:])
            if given is None:
                return None
            found = given
        elif b"Orientation" in segment:  # XMP, which Pillow asks where EXIF says nothing
            return None
    return found


def _application_segments(content: bytes) -> Iterator[bytes]:
    """The APP1 segments before the pixels."""
    place = 2
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker == 0xDA:
            return
        (length,) = struct.unpack_from(">H", content, place + 2)
        if marker == 0xE1:
            yield content[place + 4 : place + 2 + length]
        place += 2 + length


def _in_exif(exif: bytes) -> int | None:
    """The orientation in a TIFF header, 1 without one; null where it is not one short number."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    (start,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, start)
    for entry in range(entries):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * entry)
        if tag == EXIF_ORIENTATION:
            return value if (kind, count) == (3, 1) else None
    return 1
