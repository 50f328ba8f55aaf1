"""Pictures of explanations: maps of evidence laid over images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from candelabra.data.glyphs import choose_image_font, replace_missing_glyphs

_LINE = 20  # pixels of a line above a panel
_GAP = 4  # pixels between panels
_CLIPPED = 99.5  # percentile that gets the strongest colour: single pixels of gradients would darken all others
_STRENGTH = 0.6  # of the strongest colour over the image


def overlay_map(pixels: NDArray[np.uint8], heat: Tensor) -> Image.Image:
    """An image, greyed, under a map of evidence from blue (little) to red (most); plain where the map is NaN.

    Args:
        pixels: (H, W, 3).
        heat: (H, W), at least 0; each map is scaled by its own largest values.
    """
    import matplotlib

    values = heat.numpy()
    known = ~np.isnan(values)
    values = np.nan_to_num(values)
    top = max(float(np.percentile(values[known], _CLIPPED)), float(values.max()) * 0.2) if known.any() else 0.0
    shares = np.clip(values / top, 0, 1) if top > 0 else values * 0
    colours = matplotlib.colormaps["turbo"](shares)[..., :3] * 255
    grey = pixels.mean(2, keepdims=True).repeat(3, 2) * 0.6 + pixels * 0.4
    weight = _STRENGTH * (0.25 + 0.75 * shares[..., None])
    mixed = np.where(known[..., None], grey * (1 - weight) + colours * weight, pixels)
    return Image.fromarray(mixed.round().astype(np.uint8))


def scale_pixels(pixels: NDArray[np.uint8], least: int, most: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) whose longer side has at least and at most so many pixels."""
    longer = max(pixels.shape[:2])
    factor = max(least, min(most, longer)) / longer
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC))


def arrange_panels(panels: Sequence[tuple[str, Image.Image]], columns: int, title: str = "") -> Image.Image:
    """Pictures in rows, each below its words; all cells are as large as the largest picture."""
    width = max(picture.width for _, picture in panels) + _GAP
    height = max(picture.height for _, picture in panels) + _LINE + _GAP
    columns = min(columns, len(panels))
    top = _LINE if title else 0
    sheet = Image.new("RGB", (columns * width, -(-len(panels) // columns) * height + top), (255, 255, 255))
    if title:
        _write_line(sheet, title, (2, 0), sheet.width)
    for place, (words, picture) in enumerate(panels):
        corner = (place % columns * width, place // columns * height + top)
        _write_line(sheet, words, (corner[0] + 2, corner[1]), width - _GAP)
        sheet.paste(picture, (corner[0], corner[1] + _LINE))
    return sheet


def _write_line(sheet: Image.Image, words: str, corner: tuple[int, int], room: int) -> None:
    words = replace_missing_glyphs(words)
    brush, size = ImageDraw.Draw(sheet), _LINE - 6
    font = choose_image_font(words, size)
    while brush.textlength(words, font) > room and size > 8:
        size -= 1
        font = choose_image_font(words, size)
    brush.text(corner, words, fill=(0, 0, 0), font=font)
