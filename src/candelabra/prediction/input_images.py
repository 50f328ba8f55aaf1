"""The images that a model is given: files, folders, globs, bytes, Pillow images, arrays, tensors, and many of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.decoding.array_images import convert_to_pixels
from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.image_sources import list_sources
from candelabra.data.decoding.images import decode_image
from candelabra.data.samples import image_to_tensor
from candelabra.errors import CandelabraError
from candelabra.types import Size


class ReadImage(NamedTuple):
    """An image as it is shown.

    Args:
        pixels: (3, H, W) uint8, or float32 in [0, 1].
        size: (H, W) of its file; more than that of the pixels where they were read smaller.
        region: what the pixels cover of the file; null for all of it.
    """

    pixels: Tensor
    size: Size
    region: CoveredRegion | None


class InputImage(NamedTuple):
    """One image that was given.

    Args:
        name: its path, or its number.
        given: a path, bytes, a Pillow image, an array or a tensor.
    """

    name: str
    given: Any

    def read(self, least: Size | None = None) -> ReadImage:
        """Reads it; a file may come smaller than it is, but in no direction smaller than (H, W) = `least`.

        Raises:
            UnreadableFile: the file is missing or is no readable image.
            CandelabraError: it is no image.
        """
        source = RawBytes(self.given, self.name) if isinstance(self.given, bytes) else self.given
        if isinstance(source, Path | RawBytes):
            decoded = decode_image(source, least)
            return ReadImage(image_to_tensor(decoded.pixels), decoded.size[::-1], decoded.region)
        try:
            pixels = image_to_tensor(convert_to_pixels(source))
        except CandelabraError as error:
            raise CandelabraError(f"{self.name}: {error}") from error
        return ReadImage(pixels, (pixels.shape[1], pixels.shape[2]), None)

    def read_pixels(self) -> NDArray[np.uint8]:
        """Its pixels (H, W, 3), for a picture."""
        pixels = self.read().pixels
        shown = pixels if not pixels.is_floating_point() else (pixels * 255).round().byte()
        return shown.permute(1, 2, 0).numpy()


def is_single_image(images: Any) -> bool:
    """Whether one image was given: a file, bytes, a Pillow image, an array or a tensor of at most three dimensions."""
    if isinstance(images, str | Path):
        return Path(images).expanduser().is_file()
    return isinstance(images, bytes | Image.Image) or (isinstance(images, np.ndarray | Tensor) and images.ndim < 4)


def iterate_images(images: Any) -> Iterator[InputImage]:
    """Iterates over the images that something stands for; a generator is read as it is asked.

    Args:
        images: one image; a folder or a glob; an array (N, H, W, C) or a tensor (N, C, H, W); or an iterable of them.

    Raises:
        CandelabraError: it is none of these, or a path stands for no image.
    """
    if isinstance(images, str | Path):
        yield from (InputImage(str(path), path) for path in list_sources(str(images), "images"))
    elif is_single_image(images):
        yield InputImage("image", images)
    elif isinstance(images, Iterable):
        for number, each in enumerate(images):
            if isinstance(each, str | Path):
                yield from iterate_images(each)
            else:
                yield InputImage(f"image {number}", each)
    else:
        raise CandelabraError(
            f"A {type(images).__name__} is no image; give a path, bytes, a Pillow image, an array (H, W, C), a tensor "
            "(C, H, W), or several of them."
        )
