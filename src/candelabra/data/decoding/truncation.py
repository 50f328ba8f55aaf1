"""Whether a file was cut short, as far as its header and its end tell."""

import mmap
from collections.abc import Callable, Mapping

from PIL import ImageFile

from candelabra.data.decoding.image_files import ImageSource, RawBytes


def is_complete(image: ImageFile.ImageFile, path: ImageSource) -> bool:
    """Whether a file goes on to the end that its format marks; where not, decoding must tell what is missing.

    Args:
        image: its header, just read.
        path: of the file.
    """
    check = _ENDS.get(image.format or "")
    if check is None:
        return True
    if isinstance(path, RawBytes):
        return check(image, path.content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return check(image, content)


def _jpeg_ends(image: ImageFile.ImageFile, content: mmap.mmap | bytes) -> bool:
    assert image.fp is not None
    return content.rfind(b"\xff\xd9", image.fp.tell()) >= 0  # behind the header, whose thumbnail has an end of its own


def _png_ends(image: ImageFile.ImageFile, content: mmap.mmap | bytes) -> bool:
    return content.rfind(b"IEND\xaeB`\x82") >= 0


def _gif_ends(image: ImageFile.ImageFile, content: mmap.mmap | bytes) -> bool:
    return content[-1:] == b";"


def _strips_end(image: ImageFile.ImageFile, content: mmap.mmap | bytes) -> bool:
    tags = image.tag_v2  # type: ignore[attr-defined]
    starts, lengths = tags.get(273, tags.get(324, ())), tags.get(279, tags.get(325, ()))
    ends = [start + length for start, length in zip(starts, lengths, strict=False)]
    return bool(ends) and max(ends) <= len(content)


def _raw_ends(image: ImageFile.ImageFile, content: mmap.mmap | bytes) -> bool:
    codec, _, start, *_ = image.tile[0]
    bits = {"1": 1, "P": 8, "L": 8}.get(image.mode, 24)
    return codec != "raw" or start + image.width * bits // 8 * image.height <= len(content)


_ENDS: Mapping[str, Callable[[ImageFile.ImageFile, mmap.mmap | bytes], bool]] = {
    "JPEG": _jpeg_ends,
    "PNG": _png_ends,
    "GIF": _gif_ends,
    "TIFF": _strips_end,
    "BMP": _raw_ends,
    "PPM": _raw_ends,
}
