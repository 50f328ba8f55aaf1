"""Looks at the files of a data set before training: headers only, all that is doubtful decoded."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from candelabra.data.bounds import clip_boxes, drop_outside_points, find_box_issues, find_point_issues
from candelabra.data.decoding.images import ImageHeader, decode_image, decode_mask, read_header
from candelabra.data.decoding.mask_fitting import describe_misfit
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import CandelabraError, UnreadableFile

if TYPE_CHECKING:
    from candelabra.data.file_samples import FileSamples

VERIFIED_FILES = 20_000  # files; of a larger set, so many are looked at
_TRIED = 8  # masks kept as colours that are decoded, to see whether they are grey
_THREADS = 8  # a disk or a network answers several at once
_PATIENCE = 3.0  # seconds until there is a bar


def verify_files(records: "FileSamples") -> dict[int, str]:
    """What is wrong with the images that cannot be used, by index.

    Labels that reach out of their image and masks that cannot be used are mended or taken away, in place, and listed
    among the issues of the records.

    Raises:
        CandelabraError: no mask can be used, or their colours mean nothing yet.
    """
    looked = [int(index) for index in np.linspace(0, len(records) - 1, min(len(records), VERIFIED_FILES))]
    seen = _headers(records.root, [records.names[index] for index in looked], "images", decode_image)
    there = {index: each for index, each in zip(looked, seen, strict=True) if isinstance(each, ImageHeader)}
    odd = [*_masks(records, there), *_bounds(records, there)]
    records.issues = [*records.issues, *odd]
    return {index: str(each) for index, each in zip(looked, seen, strict=True) if isinstance(each, UnreadableFile)}


def _headers(
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


def _masks(records: "FileSamples", images: dict[int, ImageHeader]) -> list[DataIssue]:
    given = [index for index in images if records.masks is not None and records.masks[index]]
    if not given or records.masks is None:
        return []
    masks = list(records.masks)
    heads = _headers(
        records.root, [masks[index] for index in given], "masks", partial(decode_mask, colours=records.colours)
    )
    if records.colours is None:
        _refuse_colours(records.root, [masks[i] for i, head in zip(given, heads, strict=True) if _coloured(head)])
    odd = []
    for index, head in zip(given, heads, strict=True):
        if isinstance(head, UnreadableFile):
            found: DataIssue | None = DataIssue("", "mask that cannot be read", IssueTreatment.UNLABELLED, str(head))
        else:
            found = describe_misfit(head.size, images[index].size, images[index].orientation)
        if found:
            odd.append(found._replace(name=records.names[index]))
            masks[index] = masks[index] if found.treatment == IssueTreatment.REPAIRED else ""
    if not any(masks[index] for index in given):
        raise CandelabraError(f"No mask can be used: {odd[0].name}: {odd[0].detail}; is data.root right?")
    records.masks = masks
    return odd


def _coloured(head: ImageHeader | UnreadableFile) -> bool:
    return isinstance(head, ImageHeader) and head.mode in ("RGB", "RGBA")


def _refuse_colours(root: Path, names: Sequence[str]) -> None:
    for place in np.linspace(0, len(names) - 1, min(len(names), _TRIED)).astype(int):
        try:
            decode_mask(resolve_inside(root, names[place]))
        except UnreadableFile as error:
            raise CandelabraError(str(error)) from error


def _bounds(records: "FileSamples", images: dict[int, ImageHeader]) -> list[DataIssue]:
    indices = list(images)
    sizes = np.array([images[index].size for index in indices], np.float32).reshape(-1, 2)
    odd = []
    if records.box is not None:
        given, records.box = records.box[indices], records.box.copy()
        records.box[indices] = used = clip_boxes(given, sizes)
        changed = np.flatnonzero(((used != given) & ~np.isnan(given)).any(1))
        odd += [(indices[place], each) for place in changed for each in find_box_issues(given[place], used[place])]
    if records.keypoints is not None:
        given, records.keypoints = records.keypoints[indices], records.keypoints.copy()
        records.keypoints[indices] = used = drop_outside_points(given, sizes)
        changed = np.flatnonzero(((used != given) & ~np.isnan(given)).any((1, 2)))
        odd += [(indices[place], each) for place in changed for each in find_point_issues(given[place], used[place])]
    return [each._replace(name=records.names[index]) for index, each in odd]
