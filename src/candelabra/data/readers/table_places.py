"""Columns of boxes and points by the names that `data=table` has, whatever a tool calls them."""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from candelabra.data.issues import DataIssue
from candelabra.data.readers.label_frames import is_relative
from candelabra.data.readers.table_cells import parse_numbers
from candelabra.data.targets.box import BOX_COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame

_CORNERS = (
    "xmin ymin xmax ymax",
    "x_min y_min x_max y_max",
    "x1 y1 x2 y2",
    "x_1 y_1 x_2 y_2",
    "left top right bottom",
)
_SIZED = ("x y w h", "x y width height", "left top width height", "xmin ymin width height")  # after bbox_ or box_
_SIZED_ALONE = ("left top width height",)  # x and y alone may be of a centre
_BOXES = ("bbox", "box", "bounding_box")
_NO_POINTS = {*_BOXES, "size", "image_size", "img_size", "resolution"}
_CENTRES = {"center", "centre", "box_center", "bbox_center", "box_centre", "bbox_centre"}
_WIDTHS = {"w", "width", "box_width", "bbox_width", "box_w", "bbox_w"}
_POINTS = (
    re.compile(r"(?P<point>.*[^ _])[ _](?P<axis>[xy])", re.IGNORECASE),  # nose_x
    re.compile(r"(?P<axis>[xy])[ _]?(?P<point>\d+)", re.IGNORECASE),  # x1, x_1
    re.compile(
        r"(?P<axis>[xy])[ _](?P<point>(?!(min|max|center|centre|size|offset|scale)$).+)", re.IGNORECASE
    ),  # x_nose
    re.compile(r"(?P<point>.*[a-z0-9])(?P<axis>[XY])"),  # noseX
)


def fold_column(word: str) -> str:
    """The name of a column without letter case, blanks and hyphens."""
    return re.sub(r"[\s\-]+", "_", word.strip().casefold())


def name_corners(columns: Collection[str]) -> dict[str, str]:
    """New names of the four columns that hold the corners of a box; none where there are no such columns.

    >>> name_corners(["image", "x1", "y1", "x2", "y2"])
    {'x1': 'xmin', 'y1': 'ymin', 'x2': 'xmax', 'y2': 'ymax'}
    >>> name_corners(["x1", "y1", "x2", "y2", "x3", "y3"])  # three points
    {}
    """
    given = {fold_column(column): column for column in reversed(list(columns))}
    if set(BOX_COLUMNS) <= set(columns):
        return {}
    for before in ("", *(f"{box}_" for box in _BOXES)):
        for corners in _CORNERS:
            sides = [f"{before}{side}" for side in corners.split()]
            counted = corners.startswith("x1") and any({f"x{n}", f"y{n}"} <= set(given) for n in (0, 3))
            if all(side in given for side in sides) and not counted:
                return {given[side]: wanted for side, wanted in zip(sides, BOX_COLUMNS, strict=True)}
    return {}


def add_corners(table: "DataFrame", issues: list[DataIssue]) -> "DataFrame":
    """The table with the corners of boxes of which a corner and a size in pixels are given: bbox_x, ..., bbox_h."""
    given = {fold_column(str(column)): str(column) for column in reversed(table.columns)}
    ways = [(f"{box}_{sides}").replace(" ", f" {box}_") for box in _BOXES for sides in _SIZED]
    for way in (*ways, *_SIZED_ALONE):
        if any(side in table for side in BOX_COLUMNS) or not all(side in given for side in way.split()):
            continue
        own = [given[side] for side in way.split()]
        numbers = parse_numbers(table, own, issues).to_numpy("float64", copy=True)
        if not is_relative([numbers]):  # shares may be of a centre
            numbers[:, 2:] += numbers[:, :2]
            corners = {side: numbers[:, place] for place, side in enumerate(BOX_COLUMNS)}
            return table.drop(columns=own).assign(**corners)
    return table


def name_point_columns(columns: Sequence[str]) -> dict[str, str]:
    """New names `<point>_x` and `<point>_y` of columns of points.

    >>> name_point_columns(["image", "noseX", "noseY", "x_tail", "y_tail", "x"])
    {'x_tail': 'tail_x', 'y_tail': 'tail_y', 'noseX': 'nose_x', 'noseY': 'nose_y'}
    """
    named: dict[str, str] = {}
    for pattern in _POINTS:
        found = {column: pattern.fullmatch(column) for column in columns if column not in named}
        new = {column: f"{match['point']}_{match['axis'].lower()}" for column, match in found.items() if match}
        there = {*new.values()}
        named |= {c: name for c, name in new.items() if {f"{name[:-1]}x", f"{name[:-1]}y"} <= there}
    taken = {*columns}
    return {column: name for column, name in named.items() if column != name and name not in taken}


def list_points(columns: Sequence[str]) -> list[str]:
    """The points of which there are columns `<point>_x` and `<point>_y`; the place of a box is none."""
    folded = {fold_column(column) for column in columns}
    others = _NO_POINTS | (_CENTRES if folded & _WIDTHS else set())
    points = [c[:-2] for c in columns if c.endswith("_x") and f"{c[:-2]}_y" in columns]
    return [point for point in points if fold_column(point) not in others]
