"""One line of a YOLO label file."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from candelabra.data.class_words import clean_class_name
from candelabra.data.readers.object_annotations import ObjectAnnotation
from candelabra.data.readers.polygons import Polygons
from candelabra.data.readers.repairs import parse_decimal_comma

_SLACK = 0.5  # of the image that a share may lie outside; what is further is no share


def parse_yolo_line(
    words: Sequence[str], names: Mapping[int, str], shape: tuple[int, int] | None, size: tuple[int, int]
) -> ObjectAnnotation:
    """The object of a line: a box of four shares, a box and points, or an outline of three corners or more.

    Args:
        words: of the line.
        names: of the classes by number; empty where nobody named them.
        shape: (number of points, numbers a point: 2, or 3 with the visibility); null for none.
        size: (width, height) of the image, in pixels.

    Raises:
        ValueError: it is none of these.
    """
    name = _class_name(words[0], names)
    shares = np.array([parse_decimal_comma(word) for word in words[1:]], np.float32)
    if shape and len(shares) == 4 + shape[0] * shape[1]:
        return ObjectAnnotation(name, _box(shares[:4], size), _points(shares[4:].reshape(shape), size))
    if len(shares) == 4:
        return ObjectAnnotation(name, _box(shares, size))
    if len(shares) < 6 or len(shares) % 2 or shape:
        wanted = f"4 or {4 + shape[0] * shape[1]}" if shape else "4, or 6 and more in pairs, or points with kpt_shape"
        raise ValueError(f"{len(shares)} numbers after the class, where there should be {wanted}")
    ring = _checked(shares).reshape(-1, 2)
    corners = np.concatenate([ring.min(0), ring.max(0)]) * np.array([*size, *size], np.float32)
    return ObjectAnnotation(name, _four(corners), outline=Polygons([ring]))


def split_yolo_line(line: str) -> list[str]:
    """The words of a line, apart by blanks, semicolons or commas; a comma between blanks is a decimal one.

    >>> split_yolo_line("0,0.5,0.5,0.4,0.4"), split_yolo_line("0 0,5 0,5"), split_yolo_line("1, 0.5; 0.5")
    (['0', '0.5', '0.5', '0.4', '0.4'], ['0', '0,5', '0,5'], ['1', '0.5', '0.5'])
    """
    if len(line.split()) > 2 and all("," not in word.rstrip(",") or "." not in word for word in line.split()):
        return [word.rstrip(",;") for word in line.split()]
    return line.replace(",", " ").replace(";", " ").split()


def find_pose_points(lines: Iterable[str]) -> int:
    """How many points the lines of a data set have that look like poses: a box, then x, y and a visibility each.

    All lines with more than a box must be of one length, and every third number after the box 0, 1 or 2: corners of
    outlines are not like that. 0 for other lines.

    >>> pose = "0 .5 .5 .4 .4 .3 .3 2 .6 .3 1"
    >>> find_pose_points([pose, "1 .5 .5 .4 .4", pose]), find_pose_points([pose, "0 .1 .1 .2 .1 .2 .2"])
    (2, 0)
    """
    counts: set[int] = set()
    for line in lines:
        numbers = split_yolo_line(line)[5:]
        if not numbers:
            continue
        counts.add(len(numbers))
        if len(counts) > 1 or len(numbers) % 3 or any(_flag(word) not in (0.0, 1.0, 2.0) for word in numbers[2::3]):
            return 0
    return counts.pop() // 3 if counts else 0


def has_track_numbers(lines: Iterable[str]) -> bool:
    """Whether lines of six numbers after the class are boxes, each with a confidence and the number of a track.

    They would be outlines of three corners, but the last number of each is whole, and of some it is above 1.

    >>> has_track_numbers(["0 .5 .5 .4 .4 .9 1", "0 .5 .5 .4 .4 .8 2", "0 .5 .5 .4 .4"])
    True
    >>> has_track_numbers(["0 .5 .5 .4 .4 .9 1"]), has_track_numbers(["0 .1 .1 .2 .1 .2 .2", "0 .5 .5 .4 .4 .8 2"])
    (False, False)
    """
    ends = [_flag(words[6]) for words in map(split_yolo_line, lines) if len(words) == 7]
    return all(end is not None and end > 0 and end % 1 == 0 for end in ends) and any(end != 1 for end in ends)


def drop_confidence(words: Sequence[str], shape: tuple[int, int] | None, tracked: bool) -> Sequence[str]:
    """The words of a line without the confidence of a prediction, and the number of a track, where they end it.

    Args:
        words: of the line.
        shape: of points, see `parse_yolo_line`.
        tracked: see `has_track_numbers`.

    >>> drop_confidence(["0", ".5", ".5", ".4", ".4", ".9"], None, False)
    ['0', '.5', '.5', '.4', '.4']
    """
    lengths = {5, 5 + shape[0] * shape[1]} if shape else {5}
    end = 6 if tracked and not shape and len(words) == 7 else len(words)
    if end - 1 not in lengths or len(words) in lengths:
        return words
    confidence = _flag(words[end - 1])
    return words[: end - 1] if confidence is not None and 0 <= confidence <= 1 else words


def _flag(word: str) -> float | None:
    try:
        return parse_decimal_comma(word)
    except ValueError:
        return None


def _class_name(word: str, names: Mapping[int, str]) -> str:
    """The name of a class that a line gives by its number, which may be written 1.0 or 1e0, or by its name.

    A number is never a name: of the classes 1, 2 and 3 the word 1 means the second.
    """
    try:
        number = parse_decimal_comma(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) and clean_class_name(word) in names.values():  # also a class called nan
        return clean_class_name(word)
    if not (math.isfinite(number) and number >= 0 and number == int(number)) or (names and int(number) not in names):
        raise ValueError(f"class {word:.40} is not known")
    return names.get(int(number), str(int(number)))


def _checked(shares: np.ndarray) -> np.ndarray:
    if not np.isfinite(shares).all() or (np.abs(shares - 0.5) > 0.5 + _SLACK).any():
        raise ValueError(f"numbers from {shares.min():g} to {shares.max():g} are no shares of the image")
    return shares


def _box(shares: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Centre, width and height as shares -> XYXY in pixels."""
    x, y, width, height = _checked(shares).tolist()
    sides = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)
    return _four(sides * np.array([*size, *size], np.float32))


def _four(sides: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = sides.tolist()
    return left, top, right, bottom


def _points(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K, 2) XY in pixels; NaN where the visibility is 0, or a point without one is at 0, 0."""
    placed = values[:, 2] > 0 if values.shape[1] == 3 else values[:, :2].any(1)
    placed &= np.isfinite(values).all(1)
    return np.where(placed[:, None], values[:, :2] * np.array(size, np.float32), np.float32("nan"))
