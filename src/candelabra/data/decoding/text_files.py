"""Text files of labels, whatever their encoding."""

import codecs
from pathlib import Path

from candelabra.data.issues import DataIssue, IssueTreatment

_SEEN = 1024  # bytes that tell the encoding
LARGEST_ANNOTATION = 16 * 2**20  # bytes that the labels of one image may take


def read_annotation_text(
    path: Path, name: str, issues: list[DataIssue], largest: int = LARGEST_ANNOTATION
) -> str | None:
    """A text file of labels: UTF-8, UTF-16, or else Latin-1, which is listed; null where it cannot be read.

    Args:
        path: of the file.
        name: what its issues are listed under.
        issues: grows by what is odd.
        largest: bytes; a larger file is not read.
    """
    try:
        if path.stat().st_size > largest:
            raise OSError(f"{path.stat().st_size} bytes are more than {largest}")
        raw = path.read_bytes()
    except OSError as error:
        issues.append(DataIssue(name, "label file cannot be read", IssueTreatment.UNLABELLED, str(error)))
        return None
    try:
        return raw.decode(detect_encoding(raw))
    except UnicodeDecodeError as error:
        issues.append(DataIssue(name, "text is not UTF-8", IssueTreatment.USED, f"read as Latin-1 ({error})"))
        return raw.decode("latin-1")


def detect_encoding(start: bytes) -> str:
    """UTF-8, or UTF-16 or UTF-32 by their marks, or UTF-16 by the zeros that its letters have.

    >>> detect_encoding("image".encode("utf-16")), detect_encoding("image".encode("utf-16-be"))
    ('utf-16', 'utf-16-be')
    """
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = start[: len(start[:_SEEN]) // 2 * 2]
    high, low = head[::2].count(0), head[1::2].count(0)
    if max(high, low) > 0.4 * len(head) / 2 and min(high, low) == 0:
        return "utf-16-be" if high else "utf-16-le"
    return "utf-8-sig"
