"""Looks at the files of a data set before training: headers only, all that is doubtful decoded."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from candelabra.data.bounds import clipped, odd_box, odd_points, within
from candelabra.data.decoding.images import Header, header, mask, picture
from candelabra.data.decoding.mask_fitting import misfit
from candelabra.data.decoding.paths import below
from candelabra.data.issues import Oddity, Treatment
from candelabra.errors import CandelabraError, Unreadable

if TYPE_CHECKING:
    from candelabra.data.file_samples import Records

VERIFIED = 20_000  # files; of a larger set, so many are looked at
TRIED = 8  # masks kept as colours that are decoded, to see whether they are grey
THREADS = 8  # a disk or a network answers several at once
PATIENCE = 3.0  # seconds until there is a bar


def verify(records: "Records") -> dict[int, str]:
    """What is wrong with the images that cannot be used, by index.

    Labels that reach out of their image and masks that cannot be used are mended or taken away, in place, and listed
    among the oddities of the records.

    Raises:
        CandelabraError: no mask can be used, or their colours mean nothing yet.
    """
    looked = [int(index) for index in np.linspace(0, len(records) - 1, min(len(records), VERIFIED))]
    seen = _headers(records.root, [records.names[index] for index in looked], "images", picture)
    there = {index: each for index, each in zip(looked, seen, strict=True) if isinstance(each, Header)}
    odd = [*_masks(records, there), *_bounds(records, there)]
    records.oddities = [*records.oddities, *odd]
    return {index: str(each) for index, each in zip(looked, seen, strict=True) if isinstance(each, Unreadable)}


def _headers(
    root: Path, names: Sequence[str], words: str, decode: Callable[[Path], object]
) -> list[Header | Unreadable]:
    """The header of each file, or why it cannot be read; where its header leaves a doubt, it is decoded."""
    with ThreadPoolExecutor(THREADS) as threads:
        heads = list(_bar(threads.map(lambda name: _tried(header, root, name), names), len(names), words))
    for place, each in enumerate(heads):  # one at a time, for memory
        if isinstance(each, Header) and not each.sure:
            heads[place] = _tried(lambda path, head=each: (decode(path), head)[1], root, names[place])  # type: ignore[misc]
    return heads


def _tried(read: Callable[[Path], Header], root: Path, name: str) -> Header | Unreadable:
    try:
        return read(below(root, name))
    except Unreadable as error:
        return error.with_traceback(None)  # or it would hold what was decoded


def _bar(heads: Iterable[Header | Unreadable], count: int, words: str) -> Iterable[Header | Unreadable]:
    return tqdm(heads, f"looking at {words}", count, unit="file", delay=PATIENCE, leave=False)


def _masks(records: "Records", images: dict[int, Header]) -> list[Oddity]:
    given = [index for index in images if records.masks is not None and records.masks[index]]
    if not given or records.masks is None:
        return []
    masks = list(records.masks)
    heads = _headers(records.root, [masks[index] for index in given], "masks", partial(mask, colours=records.colours))
    if records.colours is None:
        _refuse_colours(records.root, [masks[i] for i, head in zip(given, heads, strict=True) if _coloured(head)])
    odd = []
    for index, head in zip(given, heads, strict=True):
        if isinstance(head, Unreadable):
            found: Oddity | None = Oddity("", "mask that cannot be read", Treatment.UNLABELLED, str(head))
        else:
            found = misfit(head.size, images[index].size, images[index].orientation)
        if found:
            odd.append(found._replace(name=records.names[index]))
            masks[index] = masks[index] if found.treatment == Treatment.REPAIRED else ""
    if not any(masks[index] for index in given):
        raise CandelabraError(f"No mask can be used: {odd[0].name}: {odd[0].detail}; is data.root right?")
    records.masks = masks
    return odd


def _coloured(head: Header | Unreadable) -> bool:
    return isinstance(head, Header) and head.mode in ("RGB", "RGBA")


def _refuse_colours(root: Path, names: Sequence[str]) -> None:
    for place in np.linspace(0, len(names) - 1, min(len(names), TRIED)).astype(int):
        try:
            mask(below(root, names[place]))
        except Unreadable as error:
            raise CandelabraError(str(error)) from error


def _bounds(records: "Records", images: dict[int, Header]) -> list[Oddity]:
    indices = list(images)
    sizes = np.array([images[index].size for index in indices], np.float32).reshape(-1, 2)
    odd = []
    if records.box is not None:
        given, records.box = records.box[indices], records.box.copy()
        records.box[indices] = used = clipped(given, sizes)
        changed = np.flatnonzero(((used != given) & ~np.isnan(given)).any(1))
        odd += [(indices[place], each) for place in changed for each in odd_box(given[place], used[place])]
    if records.keypoints is not None:
        given, records.keypoints = records.keypoints[indices], records.keypoints.copy()
        records.keypoints[indices] = used = within(given, sizes)
        changed = np.flatnonzero(((used != given) & ~np.isnan(given)).any((1, 2)))
        odd += [(indices[place], each) for place in changed for each in odd_points(given[place], used[place])]
    return [each._replace(name=records.names[index]) for index, each in odd]
