"""Repairs of labels that every format shares, and what becomes of those that cannot be repaired."""

import codecs
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment

LARGEST_ANNOTATION = 16 * 2**20  # bytes that the labels of one image may take


def read_annotation_text(
    path: Path, name: str, oddities: list[DataIssue], largest: int = LARGEST_ANNOTATION
) -> str | None:
    """A text file of labels: UTF-8, UTF-16 with its mark, or else Latin-1, which is listed; null where it has none.

    Args:
        path: of the file.
        name: what its oddities are listed under.
        oddities: grows by what is odd.
        largest: bytes; a larger file is not read.
    """
    try:
        if path.stat().st_size > largest:
            raise OSError(f"{path.stat().st_size} bytes are more than {largest}")
        raw = path.read_bytes()
    except OSError as error:
        oddities.append(DataIssue(name, "label file cannot be read", IssueTreatment.UNLABELLED, str(error)))
        return None
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        oddities.append(DataIssue(name, "text is not UTF-8", IssueTreatment.USED, f"read as Latin-1 ({error})"))
        return raw.decode("latin-1")


def parse_xml(text: str) -> ElementTree.Element:
    """The root of an xml text that declares nothing: entities can grow without bound, or name other files.

    Raises:
        ValueError: it is malformed, or has a DOCTYPE.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a DOCTYPE, which labels do not need")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error


def repair_boxes(boxes: NDArray[np.float32], names: Sequence[str], oddities: list[DataIssue]) -> NDArray[np.float32]:
    """Boxes whose corners are in order; NaN where a box is no box.

    Args:
        boxes: (n, 4) XYXY as written, NaN where not labelled.
        names: of the images that they are in.
        oddities: grows by what is odd.
    """
    mended = boxes.astype(np.float32)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(mended).all(1)
        partly = ~finite & ~np.isnan(mended).all(1)
        inverted = finite & ((mended[:, 0] > mended[:, 2]) | (mended[:, 1] > mended[:, 3]))
        mended = np.concatenate([np.minimum(mended[:, :2], mended[:, 2:]), np.maximum(mended[:, :2], mended[:, 2:])], 1)
        flat = finite & ((mended[:, 0] == mended[:, 2]) | (mended[:, 1] == mended[:, 3]))
    mended[~finite | flat] = np.nan
    for rows, what, treatment in (
        (inverted, "box is inverted", IssueTreatment.REPAIRED),
        (flat, "box has no area", IssueTreatment.UNLABELLED),
        (partly, "box lacks a side", IssueTreatment.UNLABELLED),
    ):
        oddities += [DataIssue(names[int(row)], what, treatment, _corners(boxes[row])) for row in np.flatnonzero(rows)]
    return mended


def _corners(box: NDArray[np.float32]) -> str:
    return ", ".join(f"{side:g}" for side in box.tolist())
