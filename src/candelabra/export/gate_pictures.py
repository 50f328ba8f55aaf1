"""The pictures on which an exported model is compared with its checkpoint: real ones, and real ones made awkward."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.decoding.image_files import EXIF_ORIENTATION
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.errors import UnreadableFile
from candelabra.types import Size

Pixels = NDArray[np.uint8]
_TINY = (7, 5)  # (width, height) in pixels
_BATCH = 8


def collect_gate_pictures(dataset: TransformedDataset, count: int, size: Size) -> list[bytes]:
    """Files of pictures of a split, the last ones changed: grey, tiny, panoramas, odd sides, turned by EXIF, large.

    Args:
        dataset: whose pictures are taken, at equal distances.
        count: of files.
        size: (H, W) that the network sees; the large picture is read at a half of its size.
    """
    found: list[bytes] = []
    plain: list[Pixels] = []
    changes = _list_changes(size)
    for index in _spread(len(dataset), max(count - len(changes), 1)):
        number = int(dataset.indices[index])
        try:
            pixels = dataset.samples.load(number)["image"].permute(1, 2, 0).contiguous().numpy()
            original = dataset.samples.original(number)
        except UnreadableFile:
            continue
        if pixels.dtype != np.uint8:
            pixels = (pixels * 255).round().astype(np.uint8)
        plain.append(pixels)
        found.append(original or encode_picture(pixels))
    if not plain:
        return []
    return [*found, *(change(plain[place % len(plain)]) for place, change in enumerate(changes))]


def make_gate_batch(pictures: Sequence[Pixels]) -> list[Pixels]:
    """Parts of one odd size of eight pictures, so that a model can be given all of them at once."""
    chosen = [pictures[number % len(pictures)] for number in range(_BATCH)]
    usual = [each for each in chosen if min(each.shape[:2]) > _TINY[0]] or chosen
    height, width = (max(min(each.shape[axis] for each in usual) // 2 * 2 - 1, 1) for axis in (0, 1))
    large = [each for each in chosen if each.shape[0] >= height and each.shape[1] >= width]
    return [large[number % len(large)][:height, :width] for number in range(_BATCH)]


def encode_picture(pixels: Pixels, orientation: int | None = None) -> bytes:
    """Pixels (H, W, 3) as a PNG file; or as a JPEG file with an EXIF orientation."""
    buffer, image = io.BytesIO(), Image.fromarray(pixels)
    if orientation is None:
        image.save(buffer, "PNG")
    else:
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        image.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


def _list_changes(size: Size) -> list[Callable[[Pixels], bytes]]:
    def resize(pixels: Pixels, width: int, height: int) -> Pixels:
        return np.asarray(Image.fromarray(pixels).resize((max(width, 1), max(height, 1)), Image.Resampling.BICUBIC))

    def enlarge(pixels: Pixels) -> bytes:
        factor = max(2.3 * side / length for side, length in zip(size, pixels.shape[:2], strict=True))
        return encode_picture(resize(pixels, round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)), 1)

    return [
        lambda pixels: encode_picture(np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))),
        lambda pixels: encode_picture(resize(pixels, *_TINY)),
        lambda pixels: encode_picture(pixels[: max(pixels.shape[0] // 6, 1)]),
        lambda pixels: encode_picture(pixels[:, : max(pixels.shape[1] // 6, 1)]),
        lambda pixels: encode_picture(pixels[: pixels.shape[0] // 2 * 2 - 1, : pixels.shape[1] // 2 * 2 - 1]),
        lambda pixels: encode_picture(pixels, 6),
        lambda pixels: encode_picture(pixels, 3),
        enlarge,
    ]


def _spread(length: int, count: int) -> list[int]:
    return list(dict.fromkeys(int(place) for place in np.linspace(0, length - 1, min(count, length))))
