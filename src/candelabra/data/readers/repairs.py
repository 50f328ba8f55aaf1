"""Repairs of labels that all formats share."""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment


def parse_xml(text: str) -> ElementTree.Element:
    """Parses XML without a DOCTYPE: entities can expand without bound or name other files. Namespaces are dropped.

    Raises:
        ValueError: it is malformed, or has a DOCTYPE.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a DOCTYPE, which labels do not need")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def parse_decimal_comma(word: str) -> float:
    """A number, also with a decimal comma.

    Raises:
        ValueError: it is none.

    >>> parse_decimal_comma("0,5"), parse_decimal_comma(" 1.5e1 ")
    (0.5, 15.0)
    """
    text = word.strip()
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


def repair_boxes(boxes: NDArray[np.float32], names: Sequence[str], issues: list[DataIssue]) -> NDArray[np.float32]:
    """Orders the corners of boxes; a box without area or with missing sides becomes NaN.

    Args:
        boxes: (n, 4) XYXY as written, NaN where not labelled.
        names: of the images.
        issues: list to which issues are appended.
    """
    mended = boxes.astype(np.float32)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(mended).all(1)
        partly = ~finite & ~np.isnan(mended).all(1)
        inverted = finite & ((mended[:, 0] > mended[:, 2]) | (mended[:, 1] > mended[:, 3]))
        mended = np.concatenate([np.minimum(mended[:, :2], mended[:, 2:]), np.maximum(mended[:, :2], mended[:, 2:])], 1)
        tiny = finite & (mended >= 0).all(1) & (mended <= 1).all(1)
        flat = finite & ((mended[:, 0] == mended[:, 2]) | (mended[:, 1] == mended[:, 3]))
    mended[~finite | flat] = np.nan
    for rows, what, treatment in (
        (inverted, "box is inverted", IssueTreatment.REPAIRED),
        (flat, "box has no area", IssueTreatment.UNLABELLED),
        (partly, "box lacks a side", IssueTreatment.UNLABELLED),
        (tiny & ~flat, "box lies in one pixel, maybe shares of the image among pixels", IssueTreatment.USED),
    ):
        issues += [DataIssue(names[int(row)], what, treatment, _corners(boxes[row])) for row in np.flatnonzero(rows)]
    return mended


def _corners(box: NDArray[np.float32]) -> str:
    return ", ".join(f"{side:g}" for side in box.tolist())
