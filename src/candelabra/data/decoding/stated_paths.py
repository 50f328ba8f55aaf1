"""Paths as annotation files state them: addresses, backslashes, percent signs, letters in two encodings."""

import re
import unicodedata
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive
_QUERY = re.compile(r"\?(?:.*&)?d=(?P<path>[^&]+)")  # of Label Studio: /data/local-files/?d=photos/1.jpg


def drop_suffix(name: str) -> str:
    """A stated path without the ending of its file: "a/b.jpg" is "a/b"; "." and "/" stay, where pathlib would raise."""
    path = PurePosixPath(name)
    return str(path.parent / path.stem)


@lru_cache(maxsize=65536)
def fold_name(name: str) -> str:
    """A file name so that different spellings of one name are equal.

    >>> fold_name("Caf%C3%A9 1.JPG") == fold_name(unicodedata.normalize("NFD", " café  1.jpg"))
    True
    """
    plain = " ".join((unquote(name) if "%" in name else name).split())
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())


def parse_stated_path(stated: str) -> tuple[str, ...]:
    r"""The parts of a path or an address, without drive, server, query and dots; empty where it names no file.

    >>> parse_stated_path("C:\\data\\img\\a.jpg")[-2:], parse_stated_path("https://x.org/img/a%20b.jpg?size=1")
    (('img', 'a.jpg'), ('img', 'a%20b.jpg'))
    """
    path = stated.strip()
    query = _QUERY.search(path)
    if query:
        path = unquote(query["path"])
    elif _ADDRESS.match(path):
        try:
            path = urlsplit(path).path
        except ValueError:  # an address that is none
            return ()
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return tuple(part for part in parts if part not in ("/", "//", ".."))
