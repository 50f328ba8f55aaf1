"""Finds and loads documents in the JSON of COCO."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candelabra.data.decoding.text_files import detect_encoding
from candelabra.data.readers import ochuman
from candelabra.data.readers.foreign_exports import recognize_export
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError

_LARGEST = 2 * 2**30  # bytes of a json
_PARTS = ('"images"', '"annotations"')


def find_coco_files(root: Path) -> dict[str, str]:
    """The documents below a folder by the split that their path tells, "" for one that tells none.

    Raises:
        CandelabraError: there is none, or more than one for a split.
    """
    found = [path for path in sorted(root.rglob("*.json")) if looks_like_coco(path)]
    if not found:
        export = recognize_export(root)
        raise CandelabraError(
            f"data.root={root} holds no json with images and annotations; name it with data.file=<file below root>."
            f"{f' {export}.' if export else ''}"
        )
    files = [str(path.relative_to(root)) for path in found]
    by_split = {split_in_name(file): file for file in files} if len(files) > 1 else {"": files[0]}
    if len(by_split) < len(files) or (len(files) > 1 and "" in by_split):
        raise CandelabraError(
            f"data.root={root} holds {len(files)} json files ({', '.join(files[:6])}); name those that are meant with "
            "data.file=<file below root>, or data.file={train: <file>, val: <file>}."
        )
    return by_split


def looks_like_coco(path: Path) -> bool:
    """Whether a json starts or ends as a document of images and annotations does; it is not read as a whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(2**20)
        file.seek(max(0, size - 2**16))
        ends += file.read()
    text = ends.replace(b"\0", b"").decode("latin-1")  # UTF-16 as well
    return text.lstrip("\ufeff \n\r\t\xef\xbb\xbf\xfe\xff").startswith("{") and any(part in text for part in _PARTS)


def split_in_name(file: str) -> str:
    """The split that the words of a path tell, the last first; "" for none."""
    words = re.split(r"[^a-z]+", file.lower())
    return next((SPLIT_ALIASES[word] for word in reversed(words) if word in SPLIT_ALIASES), "")


def load_coco_json(path: Path) -> Mapping[str, Any]:
    """A document with lists of images, annotations and categories.

    Raises:
        CandelabraError: it is missing, too large, no json, or not such a document.
    """
    if not path.is_file():
        raise CandelabraError(f"data.file={path} is missing; name the json with data.file=<file below data.root>.")
    if path.stat().st_size > _LARGEST:
        raise CandelabraError(f"data.file={path} is larger than {_LARGEST // 2**30} GiB, which is not read; divide it.")
    try:
        document = json.loads(_read_text(path))
        if isinstance(document, dict) and ochuman.is_ochuman(document):
            document = ochuman.convert_to_coco(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CandelabraError(f"data.file={path} cannot be read as json ({error!r}); mend or replace it.") from error
    parts = ("images", "annotations", "categories")
    lacking = [part for part in parts if not isinstance(document, dict) or not isinstance(document.get(part), list)]
    if lacking:
        raise CandelabraError(f"data.file={path} has no list of {' and '.join(lacking)}; COCO's json has {parts}.")
    return document  # type: ignore[no-any-return]


def _read_text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode(detect_encoding(raw))
    except UnicodeDecodeError:
        return raw.decode("latin-1")
