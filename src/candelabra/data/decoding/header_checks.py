"""Headers of many image files, read by several threads."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from candelabra.data.decoding.images import ImageHeader, read_header
from candelabra.data.decoding.paths import resolve_inside
from candelabra.errors import UnreadableFile

_THREADS = 8  # a disk or a network answers several at once
_PATIENCE = 3.0  # seconds until there is a progress bar


def read_headers(
    root: Path, names: Sequence[str], words: str, decode: Callable[[Path], object]
) -> list[ImageHeader | UnreadableFile]:
    """The header of each file, or why it cannot be read; where its header leaves a doubt, it is decoded."""
    with ThreadPoolExecutor(_THREADS) as threads:
        heads = list(_bar(threads.map(lambda name: _tried(read_header, root, name), names), len(names), words))
    for place, each in enumerate(heads):  # one at a time, for memory
        if isinstance(each, ImageHeader) and not each.sure:
            heads[place] = _tried(lambda path, head=each: (decode(path), head)[1], root, names[place])  # type: ignore[misc]
    return heads


def _tried(read: Callable[[Path], ImageHeader], root: Path, name: str) -> ImageHeader | UnreadableFile:
    try:
        return read(resolve_inside(root, name))
    except UnreadableFile as error:
        return error.with_traceback(None)  # or it would hold what was decoded


def _bar(
    heads: Iterable[ImageHeader | UnreadableFile], count: int, words: str
) -> Iterable[ImageHeader | UnreadableFile]:
    return tqdm(heads, f"looking at {words}", count, unit="file", delay=_PATIENCE, leave=False)
