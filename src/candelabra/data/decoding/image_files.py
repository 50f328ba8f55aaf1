"""From a file that nobody vouches for to an open image whose pixels fit into memory."""

import io
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from candelabra.data.decoding.paths import escape_path
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import UnreadableFile

LARGEST_IMAGE = 50_000_000  # pixels decoded at once: what decoders and numpy hold of them stays below 1 GB
_SCALES = (1, 2, 4, 8)  # by which a JPEG can be divided while it is decoded
_FORMATS = ("PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")  # beside JPEG: no vector graphics, nothing that runs
EXIF_ORIENTATION = 0x0112
SWAPPED_ORIENTATIONS = (5, 6, 7, 8)  # orientations in which rows and columns change places
ORIENTATION_TURNS: Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]] = {  # by EXIF orientation
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


class RawBytes(NamedTuple):
    """The bytes of an image file that lies in a larger one.

    Args:
        content: of the file.
        name: for errors.
    """

    content: bytes
    name: str

    def __str__(self) -> str:
        return self.name


ImageSource = Path | RawBytes


@contextmanager
def open_image(path: ImageSource) -> Iterator[ImageFile.ImageFile]:
    """An image of at most `LARGEST_IMAGE` pixels, its header read; what then goes wrong with it is `UnreadableFile`.

    Raises:
        UnreadableFile: in words that name the file; also for anything that a library raises inside the block.
    """
    try:
        with _binary(path) as file:
            image = _identified(file)
            _refuse_unbounded(image, file)
            yield image
    except UnreadableFile as error:
        raise UnreadableFile(f"{escape_path(str(path))} {error}") from error
    except OSError as error:
        raise UnreadableFile(
            f"{escape_path(str(path))} cannot be read ({error.strerror or escape_path(str(error))})."
        ) from error
    except Exception as error:  # decoders raise what they like on damaged files
        words = escape_path(str(error) or type(error).__name__)
        raise UnreadableFile(f"{escape_path(str(path))} cannot be read ({words}).") from error


def _binary(path: ImageSource) -> BinaryIO:
    if isinstance(path, RawBytes):
        return io.BytesIO(path.content)
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for who writes to it
        raise UnreadableFile("is no file")
    return path.open("rb")


def _identified(file: BinaryIO) -> ImageFile.ImageFile:
    head = file.read(512)
    file.seek(0)
    if not head:
        raise UnreadableFile("is empty.")
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)  # `Image.open` refuses large ones
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        _refuse_large(*_webp_size(head))  # Pillow allocates all pixels of a WebP when it opens the file
    if head[4:8] == b"ftyp" and _is_heic(head):
        raise UnreadableFile("is a HEIC image, which cannot be read; save it as JPEG or PNG.")
    if head.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        raise UnreadableFile("is a JPEG 2000 image, which is not read; save it as JPEG or PNG.")
    try:
        return Image.open(file, formats=_formats())
    except UnidentifiedImageError as error:
        text = head.decode("latin-1").strip()[:40]
        words = f"begins with {text!r} and " if text.isprintable() else ""
        raise UnreadableFile(
            f"{words}is no image of a kind that can be read ({', '.join(_formats())}, JPEG)."
        ) from error


def _is_heic(head: bytes) -> bool:
    """Whether a file of this head is HEIC; its major brand may be one that AVIF has as well."""
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[place : place + 4] for place in range(16, min(length, len(head)), 4))}
    heic = brands & {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}
    return bool(heic or brands & {b"mif1", b"msf1"}) and not brands & {b"avif", b"avis"}


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF only where Pillow was built with it


def _webp_size(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _refuse_large(width: int, height: int) -> None:
    if width * height > LARGEST_IMAGE:
        raise UnreadableFile(
            f"has {width} x {height} pixels, and no more than {LARGEST_IMAGE:,} are decoded at once; save it smaller, "
            "or as "
            "a JPEG that is not progressive, which can be read at 1/2, 1/4 or 1/8 of its size."
        )


def _refuse_unbounded(image: ImageFile.ImageFile, file: BinaryIO) -> None:
    """Refuses images whose pixels do not fit, also at 1/8.

    Decoders keep the whole of a progressive or non-interleaved JPEG in memory, even when asked for 1/8 of it; only a
    JPEG of a single scan needs less.
    """
    scale = _SCALES[-1] if isinstance(image, JpegImageFile) and _one_scan(image, file) else 1
    if image.width * image.height > LARGEST_IMAGE * scale**2:
        _refuse_large(*image.size)


def _one_scan(image: JpegImageFile, file: BinaryIO) -> bool:
    """Whether the scan whose header was just read holds all components."""
    place, length = file.tell(), 6 + 2 * image.layers
    file.seek(place - length - 2)
    start = file.read(5)
    file.seek(place)
    return "progressive" not in image.info and start == struct.pack(">HHB", 0xFFDA, length, image.layers)


def shrink_while_decoding(image: ImageFile.ImageFile, least: tuple[int, int] | None) -> None:
    """Has a JPEG decoded at 1/2, 1/4 or 1/8: where it stays at least (H, W) as it lies in the file, or must be."""
    width, height = image.size
    scale = choose_divisor(width, height)
    low = (height, width) if least is None else least
    if isinstance(image, JpegImageFile) and min(low) > 0:
        image.draft(None, (min(width // scale, low[1]), min(height // scale, low[0])))


def choose_divisor(width: int, height: int) -> int:
    """The least of 1, 2, 4 and 8 that brings an image to at most `LARGEST_IMAGE` pixels.

    >>> choose_divisor(8_000, 6_000), choose_divisor(12_000, 9_000)
    (1, 2)
    """
    return next((scale for scale in _SCALES if width * height <= LARGEST_IMAGE * scale**2), _SCALES[-1])


def read_exif_orientation(image: ImageFile.ImageFile) -> tuple[int, list[DataIssue]]:
    """The EXIF orientation, 1 to 8, that is still to be applied once an image is decoded.

    Pillow applies that of a TIFF. Of a PNG, what stands behind the pixels is not asked.
    """
    try:
        given = Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)  # PngImageFile.getexif decodes the whole image
    except Exception:  # Pillow raises what it likes on damaged EXIF
        return 1, [DataIssue("", "EXIF that cannot be read", IssueTreatment.USED)]
    if given == 1 or image.format == "TIFF":
        return 1, []
    if given not in range(2, 9):
        return 1, [DataIssue("", "EXIF orientation that is none", IssueTreatment.USED, f"{given}; allowed are 1 to 8")]
    return given, [DataIssue("", "turned as EXIF says", IssueTreatment.USED, f"orientation {given}")]


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels (H, W, ...) as they lie in the file -> as they are shown, by EXIF orientation."""
    return np.ascontiguousarray(ORIENTATION_TURNS[orientation](pixels)) if orientation in ORIENTATION_TURNS else pixels


def compute_oriented_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """(width, height) of an image as it is shown, before it is decoded or shrunk."""
    if image.format == "TIFF":  # some versions of Pillow swap the size on opening, some do not
        tags = image.tag_v2  # type: ignore[attr-defined]
        width, height, turned = tags[256], tags[257], tags.get(EXIF_ORIENTATION, 1)
    else:
        (width, height), turned = image.size, read_exif_orientation(image)[0]
    return (height, width) if turned in SWAPPED_ORIENTATIONS else (width, height)
