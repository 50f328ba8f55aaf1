"""Objects in one of Pascal VOC's xml files."""

from pathlib import Path
from xml.etree import ElementTree

from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.object_annotations import ObjectAnnotation
from candelabra.data.readers.repairs import parse_xml


def read_voc_objects(path: Path, name: str, issues: list[DataIssue]) -> list[ObjectAnnotation] | None:
    """The objects of one xml file; null where it cannot be read."""
    text = read_annotation_text(path, name, issues)
    if text is None:
        return None
    try:
        things = [_thing(node) for node in parse_xml(text).iter("object")]
    except ValueError as error:
        issues.append(DataIssue(name, "malformed xml", IssueTreatment.UNLABELLED, str(error)))
        return None
    if not things:
        issues.append(DataIssue(name, "label file without an object", IssueTreatment.UNLABELLED))
    return things


def _thing(node: ElementTree.Element) -> ObjectAnnotation:
    """An object; pixels are counted from 1, and xmax and ymax are the last ones inside.

    Raises:
        ValueError: it has no class, or a side that is no number.
    """
    name = " ".join((node.findtext("name") or "").split())
    if not name:
        raise ValueError("an object has no name")
    box = node.find("bndbox")
    if box is None:
        return ObjectAnnotation(name)
    left, top, right, bottom = (float(box.findtext(side) or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
    if left == right or top == bottom:
        return ObjectAnnotation(name, (left, top, right, bottom))
    left, right = (max(left - 1, 0), right) if not left > right else (left, max(right - 1, 0))  # else mended later
    top, bottom = (max(top - 1, 0), bottom) if not top > bottom else (top, max(bottom - 1, 0))
    return ObjectAnnotation(name, (left, top, right, bottom))
