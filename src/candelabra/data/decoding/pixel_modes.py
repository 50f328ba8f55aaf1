"""From the many ways in which pixels are kept to RGB, and to class indices."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import UnreadableFile

_BAND = 1_000_000  # pixels converted at once: large images need room for two versions of this, not of the whole
_BITS8 = ((np.arange(65536) + 128) // 257).astype(np.uint8)  # of 16 bits the nearest of 8; Pillow would cut at 255
ModeIssue = list[DataIssue]


def convert_to_rgb(image: Image.Image) -> tuple[NDArray[np.uint8], ModeIssue]:
    """An image of any mode -> (H, W, 3) uint8 RGB, and what was odd about it.

    Raises:
        UnreadableFile: its numbers have no range that is stated anywhere.
    """
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image)
    if image.has_transparency_data:
        return _on_white(image)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:  # Pillow inverts all
        plain = _in_bands(image, lambda band: ImageChops.invert(band).convert("RGB"))
        return plain, [DataIssue("", "CMYK", IssueTreatment.USED, "not inverted")]
    words = {"CMYK": "CMYK", "YCbCr": "YCbCr", "L": "one channel", "1": "one bit a pixel"}
    odd = [DataIssue("", words[image.mode], IssueTreatment.USED)] if image.mode in words else []
    return _in_bands(image, lambda band: band.convert("RGB")), odd


def _on_white(image: Image.Image) -> tuple[NDArray[np.uint8], ModeIssue]:
    opaque = True

    def flatten(band: Image.Image) -> Image.Image:
        nonlocal opaque
        rgba = band.convert("RGBA")
        if rgba.getchannel("A").getextrema() == (255, 255):
            return rgba.convert("RGB")
        opaque = False
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")

    pixels = _in_bands(image, flatten)
    if opaque:
        return pixels, [DataIssue("", "alpha channel, all opaque", IssueTreatment.USED)]
    return pixels, [DataIssue("", "transparent, laid on white", IssueTreatment.REPAIRED)]


def _deep(image: Image.Image) -> tuple[NDArray[np.uint8], ModeIssue]:
    low, high = _range(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        if not 0 <= low <= high <= 65535:
            raise UnreadableFile(f"has numbers from {low:g} to {high:g} where 16 bits were said; save it with 8 bits.")
        odd = DataIssue("", "16 bits, divided by 257", IssueTreatment.REPAIRED, f"from {low:g} to {high:g}")
        return _in_bands(image, lambda band: _BITS8[np.asarray(band)]), [odd]
    if image.mode == "F" and 0 <= low <= high <= 1:
        odd = DataIssue("", "floats in [0, 1], times 255", IssueTreatment.REPAIRED, f"from {low:g} to {high:g}")
        return _in_bands(image, lambda band: np.rint(np.asarray(band) * 255)), [odd]
    kind = "floats" if image.mode == "F" else "32-bit integers"
    raise UnreadableFile(
        f"holds {kind} from {low:g} to {high:g}, whose range nobody states (allowed are 8 and 16 bits, and floats in "
        "[0, 1]); save it with 8 or 16 bits."
    )


def _range(image: Image.Image) -> tuple[float, float]:
    """Least and largest number; NaN where one is."""
    values = np.asarray(image)
    return float(values.min()), float(values.max())


def _in_bands(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image | NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Converts some rows at a time to RGB; one channel becomes three."""
    width, height = image.size
    rows = max(1, _BAND // width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        band = image if rows >= height else image.crop((0, top, width, min(top + rows, height)))
        found = np.asarray(convert(band))
        pixels[top : top + rows] = found if found.ndim == 3 else found[:, :, None]
    return pixels


def read_bit_depth(image: Image.Image) -> int:
    """Bits of a grey pixel in a file that was opened and not loaded: 1, 2, 4, or 8 for all others."""
    if image.mode == "1":
        return 1
    tile = getattr(image, "tile", None)
    words = tile[0][3] if tile else ""
    word = words if isinstance(words, str) else next((each for each in words or () if isinstance(each, str)), "")
    return {"L;2": 2, "L;4": 4}.get(word, 8)


def convert_to_indices(image: Image.Image) -> tuple[NDArray[Any], ModeIssue]:
    """A mask of any mode -> (H, W) numbers from 0 on, and what was odd about it; a palette counts for nothing.

    Raises:
        UnreadableFile: its pixels are colours, or no whole numbers.
    """
    depth = read_bit_depth(image)  # known before the file is loaded
    image.load()
    odd = (
        [DataIssue("", "mask kept as JPEG, which changes its numbers", IssueTreatment.USED)]
        if image.format == "JPEG"
        else []
    )
    if image.mode == "L" and depth < 8:  # Pillow stretches grey to 255; the file holds 0, 1, 2, ...
        return np.asarray(image, dtype=np.uint8) // (255 // (2**depth - 1)), odd
    if image.mode in ("L", "P", "1"):
        return np.asarray(image, dtype=np.uint8), odd
    if image.mode in ("LA", "La", "PA"):
        return np.asarray(image.getchannel(0)), [
            *odd,
            DataIssue("", "mask with alpha, left out", IssueTreatment.REPAIRED),
        ]
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int32)
        return np.where(values < 0, np.int32(65535), values), [
            *odd,
            DataIssue("", "mask of 16 bits", IssueTreatment.USED),
        ]
    if image.mode in ("RGB", "RGBA", "RGBX"):
        red, green, blue, *alpha = (np.asarray(channel) for channel in image.split())
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise UnreadableFile("holds colours; name the class of each colour with data.colours.")
        words = "mask kept as grey colours with alpha, left out" if alpha else "mask kept as grey colours"
        return red, [*odd, DataIssue("", words, IssueTreatment.REPAIRED)]
    raise UnreadableFile(f"has mode {image.mode}; a mask holds one whole number a pixel (modes L, P, 1 and I;16).")
