"""Where an image lies in the square or rectangle that a model sees, for each word of `data.resize`."""

from collections.abc import Callable, Mapping

from candelabra.types import Size

Placement = tuple[Size, Size]  # (H, W) of the scaled image, and (top, left) of its corner; negative where it is cut off


def stretch_image(original: Size, size: Size) -> Placement:
    """The whole image, without keeping its aspect ratio.

    >>> stretch_image((100, 300), (64, 64))
    ((64, 64), (0, 0))
    """
    return size, (0, 0)


def letterbox_image(original: Size, size: Size) -> Placement:
    """The whole image with its aspect ratio, and a border.

    >>> letterbox_image((100, 300), (64, 64))
    ((21, 64), (21, 0))
    """
    return _centre(original, min(size[0] / original[0], size[1] / original[1]), size)


def crop_image(original: Size, size: Size) -> Placement:
    """The largest centred part of this aspect ratio.

    >>> crop_image((100, 300), (64, 64))
    ((64, 192), (0, -64))
    """
    return _centre(original, max(size[0] / original[0], size[1] / original[1]), size)


PLACEMENTS: Mapping[str, Callable[[Size, Size], Placement]] = {
    "stretch": stretch_image,
    "letterbox": letterbox_image,
    "crop": crop_image,
}


def _centre(original: Size, factor: float, size: Size) -> Placement:
    scaled = (max(1, round(original[0] * factor)), max(1, round(original[1] * factor)))
    return scaled, ((size[0] - scaled[0]) // 2, (size[1] - scaled[1]) // 2)
