"""From what a caller gives to pixels, by the decoders of training."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from candelabra.data.decoding.array_images import convert_to_pixels
from candelabra.data.decoding.covered_region import CoveredRegion, find_covered_region
from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.image_sources import list_sources
from candelabra.data.decoding.images import decode_image
from candelabra.errors import CandelabraError
from candelabra.runtime.sessions import Pixels
from candelabra.types import Size


class Picture(NamedTuple):
    """A decoded picture.

    Args:
        name: its path, or its number.
        pixels: (H, W, 3) uint8 RGB, as it is shown.
        size: (H, W) of its file; more than that of the pixels where they were read smaller.
        region: what the pixels cover of the file.
    """

    name: str
    pixels: Pixels
    size: Size
    region: CoveredRegion

    @property
    def is_whole(self) -> bool:
        """Whether the pixels are those of the file."""
        return self.pixels.shape[:2] == self.size


def read_picture(name: str, given: Any, least: Size) -> Picture:
    """Reads one picture.

    Args:
        name: for messages.
        given: a path, bytes of a file, a Pillow image, or an array (H, W) or (H, W, C) of uint8.
        least: (H, W); a JPEG may come smaller than it is, but in no direction smaller than this.

    Raises:
        UnreadableFile: the file is missing or is no readable image.
        CandelabraError: it is no picture.
    """
    source = RawBytes(given, name) if isinstance(given, bytes) else given
    if isinstance(source, Path | RawBytes):
        decoded = decode_image(source, least)
        return Picture(name, decoded.pixels, decoded.size[::-1], decoded.region)
    try:
        pixels = convert_to_pixels(source)
    except CandelabraError as error:
        raise CandelabraError(f"{name}: {error}") from error
    if pixels.dtype != np.uint8:
        raise CandelabraError(f"{name}: an exported model takes uint8, 0 to 255; multiply by 255, round and convert.")
    size = (pixels.shape[0], pixels.shape[1])
    return Picture(name, pixels, size, find_covered_region(size, size))


def list_pictures(pictures: Any) -> Iterator[tuple[str, Any]]:
    """The name and the source of each picture that something stands for.

    Args:
        pictures: a path, a folder or a glob; bytes, a Pillow image or an array; or an iterable of them.

    Raises:
        CandelabraError: it is none of these, or a path stands for no image.
    """
    if isinstance(pictures, str | Path):
        yield from ((str(path), path) for path in list_sources(str(pictures), "pictures"))
    elif is_one_picture(pictures):
        yield "picture", pictures
    elif isinstance(pictures, Iterable):
        for number, each in enumerate(pictures):
            yield from list_pictures(each) if isinstance(each, str | Path) else [(f"picture {number}", each)]
    else:
        raise CandelabraError(
            f"A {type(pictures).__name__} is no picture; give a path, bytes, a Pillow image, an array (H, W, 3) of "
            "uint8, or several of them."
        )


def is_one_picture(pictures: Any) -> bool:
    """Whether one picture was given: a file, bytes, a Pillow image or an array of at most three dimensions."""
    if isinstance(pictures, str | Path):
        return Path(pictures).expanduser().is_file()
    return isinstance(pictures, bytes | Image.Image) or (isinstance(pictures, np.ndarray) and pictures.ndim < 4)
