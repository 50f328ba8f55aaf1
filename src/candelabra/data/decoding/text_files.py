"""Text files of labels, whatever their encoding."""

import codecs
from pathlib import Path

from candelabra.data.issues import DataIssue, IssueTreatment

LARGEST_ANNOTATION = 16 * 2**20  # bytes that the labels of one image may take


def read_annotation_text(
    path: Path, name: str, issues: list[DataIssue], largest: int = LARGEST_ANNOTATION
) -> str | None:
    """A text file of labels: UTF-8, UTF-16 with its mark, or else Latin-1, which is listed; null where it has none.

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
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        issues.append(DataIssue(name, "text is not UTF-8", IssueTreatment.USED, f"read as Latin-1 ({error})"))
        return raw.decode("latin-1")
