"""Strokes and colours of values on pictures: as wide as the picture asks for, with a dark border for any ground."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from candelabra.data.glyphs import choose_image_font, replace_missing_glyphs

Colour = tuple[int, int, int]
DARK: Colour = (20, 20, 20)
WHITE: Colour = (255, 255, 255)
_CLASSES: tuple[Colour, ...] = (
    (0, 0, 0),
    (230, 70, 60),
    (60, 130, 230),
    (70, 180, 90),
    (240, 180, 40),
    (150, 90, 200),
    (60, 190, 200),
    (240, 120, 180),
)
_NAMED = 160  # pixels: words on a smaller picture would hide it
_POINTS_NAMED = 256  # pixels: names of points are many, and would hide a smaller picture
_BESIDE = ((1, 0), (-1, 0), (0, -1), (0, 1))  # where a name may stand: right, left, above, below
_BRIGHT = 110  # grey value above which dark letters are easier to read than white ones
_GOLDEN = 0.618034  # share of the circle of hues between two classes: all stay apart, however many there are


def pick_class_colour(number: int) -> Colour:
    """The colour of a class by its index; black for class 0."""
    if number < len(_CLASSES):
        return _CLASSES[number]
    return _to_colour(number * _GOLDEN % 1, (0.85, 0.5)[number % 2], (1.0, 0.8, 0.6)[number % 3])


def pick_point_colour(number: int, count: int) -> Colour:
    """The colour of one of `count` points: bright, from red over green and blue to pink."""
    return _to_colour(number / max(count, 1), 0.65, 1.0)


def measure_stroke(picture: Image.Image) -> int:
    """Width of a line in pixels, at least 1."""
    return math.ceil(max(picture.size) / 200)


def draw_rectangle(picture: Image.Image, box: Sequence[float], colour: Colour, width: int) -> None:
    """Draws the outline of a box XYXY in pixels, with a dark border on both of its sides."""
    brush, border = ImageDraw.Draw(picture), _measure_border(width)
    left, top, right, bottom = box
    outer = (left - border, top - border, right + border, bottom + border)
    brush.rectangle(outer, outline=DARK, width=width + 2 * border)
    brush.rectangle((left, top, right, bottom), outline=colour, width=width)


def draw_named_rectangle(picture: Image.Image, box: Sequence[float], colour: Colour, width: int, words: str) -> None:
    """Draws the outline of a box XYXY in pixels, and words at its upper left corner; small pictures get no words."""
    draw_rectangle(picture, box, colour, width)
    draw_words(picture, (box[0], box[1]), colour, words)


def draw_words(picture: Image.Image, corner: tuple[float, float], colour: Colour, words: str) -> None:
    """Draws words above the upper left corner XY of an object, in pixels; small pictures get none."""
    if max(picture.size) < _NAMED:
        return
    line = replace_missing_glyphs(words)
    brush, font = ImageDraw.Draw(picture), choose_image_font(line, max(10, round(max(picture.size) / 45)))
    margin = max(1, int(font.size) // 8)
    wide, high = math.ceil(brush.textlength(line, font)) + 2 * margin, sum(font.getmetrics()) + margin
    left = max(0.0, min(corner[0], picture.width - wide))
    top = corner[1] - high if corner[1] >= high else corner[1]
    brush.rectangle((left, top, left + wide, top + high), fill=colour)
    bright = Image.new("RGB", (1, 1), colour).convert("L").tobytes()[0] > _BRIGHT
    brush.text((left + margin, top + margin / 2), line, fill=DARK if bright else WHITE, font=font)


def draw_region(
    picture: Image.Image, corner: tuple[int, int], inside: NDArray[np.bool_], colour: Colour, width: int, share: float
) -> None:
    """Tints the pixels of an object and draws its outline.

    Args:
        picture: to draw on.
        corner: XY in pixels of the part of the picture that `inside` covers.
        inside: (h, w) the pixels.
        colour: of the object.
        width: of the outline in pixels, inside the object.
        share: of the colour in the tint, 0 to 1.
    """
    stencil = Image.fromarray(np.pad(inside, 1).astype(np.uint8) * 255)
    core = np.asarray(stencil.filter(ImageFilter.MinFilter(2 * width + 1)))[1:-1, 1:-1] > 0
    weights = np.where(core, round(255 * share), 255) * inside
    picture.paste(colour, corner, Image.fromarray(weights.astype(np.uint8)))


def draw_points(picture: Image.Image, points: NDArray[np.float64], skeleton: Sequence[tuple[int, int]]) -> None:
    """Draws each point (K, 2) as a ring of its own colour, and lines of the skeleton; NaN is not drawn."""
    brush, radius = ImageDraw.Draw(picture), _measure_radius(picture, points)
    stroke = min(measure_stroke(picture), math.ceil(radius / 2))
    colours = [pick_point_colour(number, len(points)) for number in range(len(points))]
    known: NDArray[np.bool_] = np.logical_not(np.isnan(points).any(axis=1))
    lines = [(one, other) for one, other in skeleton if known[one] and known[other]]
    for border in (_measure_border(stroke), 0):
        for one, other in lines:
            step = points[other] - points[one]
            step *= radius / max(float(np.linalg.norm(step)), 2 * radius)  # lines end at rings, not in them
            ends = (*(points[one] + step), *(points[other] - step))
            brush.line(ends, fill=DARK if border else colours[other], width=stroke + 2 * border)
    for number in np.flatnonzero(known):
        _draw_ring(brush, points[number], radius, stroke, colours[number])


def draw_point_names(
    picture: Image.Image, points: NDArray[np.float64], skeleton: Sequence[tuple[int, int]], names: Sequence[str]
) -> None:
    """Draws the name of each point (K, 2) beside its ring, where no other ring or name is, and no line if possible.

    Small pictures get no names, nor those where fewer than half of the names have room. NaN is not drawn.
    """
    numbers: list[int] = np.flatnonzero(~np.isnan(points).any(axis=1)).tolist()
    if max(picture.size) < _POINTS_NAMED or not numbers:
        return
    brush, size = ImageDraw.Draw(picture), max(11, round(max(picture.size) / 50))
    radius = _measure_radius(picture, points) + _measure_border(measure_stroke(picture)) + 1
    border = max(1, size // 8)
    rings = np.concatenate([points[numbers] - radius, points[numbers] + radius], axis=1)
    joined = [np.linspace(points[one], points[other], 16) for one, other in skeleton]
    lines = np.tile(np.concatenate([np.empty((0, 2)), *joined]), 2)
    placed = []
    for number in numbers:
        words = replace_missing_glyphs(names[number])
        font = choose_image_font(words, size)
        half = np.array([brush.textlength(words, font), size]) / 2 + border
        middles = [points[number] + np.array(step) * (1.1 * radius + half) for step in _BESIDE]
        boxes = [box for each in middles if _is_inside(box := np.concatenate([each - half, each + half]), picture)]
        free = [box for box in boxes if not _overlaps(box, rings)]
        if free:
            box = next((box for box in free if not _overlaps(box, lines)), free[0])
            rings = np.concatenate([rings, box[None]])
            placed.append(((box[:2] + box[2:]) / 2, words, font))
    if 2 * len(placed) < len(numbers):
        return
    for middle, words, font in placed:
        brush.text(tuple(middle), words, WHITE, font, anchor="mm", stroke_width=border, stroke_fill=DARK)


def _is_inside(box: NDArray[np.float64], picture: Image.Image) -> bool:
    return bool((box[:2] >= 0).all() and (box[2:] <= picture.size).all())


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    return bool(((box[:2] < others[:, 2:]) & (box[2:] > others[:, :2])).all(axis=1).any())


def draw_true_points(picture: Image.Image, points: NDArray[np.float64]) -> None:
    """Draws each point (K, 2) as a white dot that fits into the ring of `draw_points`; NaN is not drawn."""
    brush, radius = ImageDraw.Draw(picture), max(1.0, _measure_radius(picture, points) / 2)
    border = _measure_border(measure_stroke(picture)) if radius > 1 else 1
    for point in points[~np.isnan(points).any(1)]:
        brush.ellipse(_surround(point, radius + border), fill=DARK)
        brush.ellipse(_surround(point, radius), fill=WHITE)


def _measure_border(stroke: int) -> int:
    return (stroke + 1) // 2


def _draw_ring(
    brush: ImageDraw.ImageDraw, point: NDArray[np.float64], radius: float, stroke: int, colour: Colour
) -> None:
    border = _measure_border(stroke)
    if radius >= 2:  # smaller ones would be dark spots
        brush.ellipse(_surround(point, radius + border), outline=DARK, width=stroke + 2 * border)
    brush.ellipse(_surround(point, radius), outline=colour, width=stroke)


def _surround(point: NDArray[np.float64], radius: float) -> tuple[float, float, float, float]:
    x, y = point
    return (x - radius, y - radius, x + radius, y + radius)


def _measure_radius(picture: Image.Image, points: NDArray[np.float64]) -> float:
    """Radius of rings in pixels: a share of the picture, less where points are close together."""
    largest = radius = 2 + max(picture.size) / 100
    known = points[~np.isnan(points).any(1)]
    if len(known) > 1:
        distances = np.linalg.norm(known[:, None] - known[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        radius = min(radius, 0.45 * float(np.median(distances.min(1))))
    return max(radius, largest / 2)


def _to_colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * share) for share in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
