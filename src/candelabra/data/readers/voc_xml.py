"""Objects in one of Pascal VOC's xml files."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.images import read_image_size
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.label_frames import is_relative
from candelabra.data.readers.object_annotations import AnnotatedImage, ObjectAnnotation
from candelabra.data.readers.object_boxes import EMPTY_IMAGE
from candelabra.data.readers.repairs import parse_decimal_comma, parse_xml
from candelabra.errors import UnreadableFile
from candelabra.types import WidthHeight

_HEAD = 4096  # bytes in which an xml says what it is
Box = tuple[float, float, float, float]  # XYXY
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocFile(NamedTuple):
    """What an xml file says.

    Args:
        things: its objects, boxes as written; null where it cannot be read.
        stated: (width, height) of the image; null where it says none that can be.
        filename: of the image; empty for none.
    """

    things: list[ObjectAnnotation] | None = None
    stated: WidthHeight | None = None
    filename: str = ""


def is_voc_xml(path: Path) -> bool:
    """Whether an xml file is one image's in VOC's form, or cannot be told; not whole sets, as CVAT writes them."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("latin-1").replace("\0", "")
    except OSError:
        return False
    return "<annotations" not in head


def read_voc_file(path: Path, name: str, issues: list[DataIssue]) -> VocFile:
    """Reads one xml file; objects without a class are left out, and boxes that are no numbers.

    Args:
        path: of the file.
        name: what its issues are listed under.
        issues: list to which issues are appended.
    """
    text = read_annotation_text(path, name, issues)
    if text is None:
        return VocFile()
    try:
        top = parse_xml(text)
    except ValueError as error:
        issues.append(DataIssue(name, "malformed xml", IssueTreatment.UNLABELLED, str(error)))
        return VocFile()
    nodes = list(top.iter("object"))
    things = [thing for node in nodes if (thing := _thing(node, name, issues)) is not None]
    if not nodes:
        issues.append(DataIssue(name, "label file without an object", IssueTreatment.USED, EMPTY_IMAGE))
    return VocFile(
        things if things or not nodes else None,
        _stated_size(top),
        (top.findtext("filename") or top.findtext("path") or "").strip(),
    )


def _thing(node: ElementTree.Element, name: str, issues: list[DataIssue]) -> ObjectAnnotation | None:
    """An object as it is written; null where it has no class."""
    kind = clean_class_name(node.findtext("name") or "")
    if not kind:
        issues.append(DataIssue(name, "object without a name", IssueTreatment.UNLABELLED, "<name> is missing or empty"))
        return None
    difficult = (node.findtext("difficult") or "").strip() == "1"
    box = node.find("bndbox")
    if box is None:
        return ObjectAnnotation(kind, _box_around(node, name, issues), difficult=difficult)
    try:
        left, top, right, bottom = (parse_decimal_comma(box.findtext(side) or "nan") for side in _SIDES)
    except ValueError as error:
        issues.append(DataIssue(name, "malformed box", IssueTreatment.UNLABELLED, str(error)))
        return ObjectAnnotation(kind)
    return ObjectAnnotation(kind, (left, top, right, bottom), difficult=difficult)


def _box_around(node: ElementTree.Element, name: str, issues: list[DataIssue]) -> Box | None:
    """The box about a <polygon> or a <robndbox>, which some tools write in place of a box; null where neither does."""
    shape = next((found for word in ("robndbox", "polygon") if (found := node.find(word)) is not None), None)
    if shape is None:
        return None
    try:
        box = _bounds_of_points(shape) if shape.tag == "polygon" else _bounds_of_rotated(shape)
    except ValueError as error:
        issues.append(DataIssue(name, "malformed outline", IssueTreatment.UNLABELLED, str(error)))
        return None
    what = "object with an outline or a rotated box alone: the box about it is its box"
    issues.append(DataIssue(name, what, IssueTreatment.REPAIRED))
    return box


def _bounds_of_points(outline: ElementTree.Element) -> Box:
    """Of <x1>, <y1>, <x2>, ... or of <pt><x/><y/></pt>."""
    across, down = (
        [parse_decimal_comma(each.text or "") for each in outline.iter() if each.tag.rstrip("0123456789") == axis]
        for axis in "xy"
    )
    if not across or not down:
        raise ValueError("<polygon> has no points")
    return min(across), min(down), max(across), max(down)


def _bounds_of_rotated(rotated: ElementTree.Element) -> Box:
    words = (rotated.findtext(word) or "" for word in ("cx", "cy", "w", "h", "angle"))
    x, y, width, height, angle = (parse_decimal_comma(word) for word in words)
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    across, down = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return x - across, y - down, x + across, y + down


def _stated_size(top: ElementTree.Element) -> WidthHeight | None:
    """What <size> says; some tools write zeros."""
    try:
        width, height = (int(parse_decimal_comma(top.findtext(f"size/{side}") or "0")) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 1 and height > 1 else None


def scale_voc_boxes(root: Path, pictures: Sequence[AnnotatedImage], issues: list[DataIssue]) -> None:
    """Makes boxes of VOC's pixels, counted from 1, those that are counted from 0; shares of the image become pixels.

    Args:
        root: the folder that names are below.
        pictures: all of a data set, boxes as written; changed in place.
        issues: list to which issues are appended.
    """
    every = [thing.box for picture in pictures for thing in picture.things or () if thing.box]
    shares = is_relative(np.array(box) for box in every)
    if shares:
        what, detail = "coordinates are shares of the image, scaled to pixels", f"{len(every)} boxes"
        issues.append(DataIssue(str(root.name), what, IssueTreatment.REPAIRED, detail))
    for picture in pictures:
        if shares and picture.things:
            try:
                picture.stated = read_image_size(resolve_inside(root, picture.name))
            except UnreadableFile:  # it is left out later, with the reason
                continue
        size = picture.stated if shares else None
        picture.things = picture.things and [move_voc_box(thing, size) for thing in picture.things]


def move_voc_box(thing: ObjectAnnotation, size: WidthHeight | None = None) -> ObjectAnnotation:
    """An object whose box is counted from 0, or scaled where a size is given; xmax and ymax are the last inside."""
    if thing.box is None:
        return thing
    left, top, right, bottom = thing.box
    if size is not None:
        return replace(thing, box=(left * size[0], top * size[1], right * size[0], bottom * size[1]))
    if left == right or top == bottom:
        return thing
    left, right = (max(left - 1, 0), right) if not left > right else (left, max(right - 1, 0))  # else mended later
    top, bottom = (max(top - 1, 0), bottom) if not top > bottom else (top, max(bottom - 1, 0))
    return replace(thing, box=(left, top, right, bottom))
