"""All that is odd in one sample whose image and mask are files."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.decoding.image_files import ImageSource, open_image
from candelabra.data.decoding.images import DecodedImage, decode_image, decode_mask
from candelabra.data.decoding.mask_colours import Colour, count_colour_shares
from candelabra.data.decoding.mask_fitting import describe_misfit
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import UnreadableFile
from candelabra.types import IGNORED

_KINDS = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "pgm": "PPM"}  # else a suffix says its own name
IssueList = list[DataIssue]


def inspect_image(root: Path, name: str) -> tuple[DecodedImage | None, IssueList]:
    """An image below a root, null where it cannot be read, and what is odd about it."""
    try:
        path = resolve_inside(root, name)
        seen = decode_image(path)
        with open_image(path) as image:
            more = _misnamed(path, image.format or "") + _frames(image)
    except UnreadableFile as error:
        return None, [DataIssue("", "unreadable", IssueTreatment.SKIPPED, str(error))]
    return seen, [*seen.odd, *more, *_grey(seen), *_reduced(seen)]


def _misnamed(path: Path, kind: str) -> IssueList:
    suffix = path.suffix.lower().lstrip(".")
    if _KINDS.get(suffix, suffix.upper()) == kind:
        return []
    return [DataIssue("", "named as another kind of image than it is", IssueTreatment.USED, f"{kind} named .{suffix}")]


def _frames(image: Image.Image) -> IssueList:
    try:
        count = getattr(image, "n_frames", 1)  # not every kind of image can have several
    except Exception:
        count = 1  # what follows the first image is damaged, and of no account
    return (
        [DataIssue("", "several images in one file, the first used", IssueTreatment.USED, f"{count}")]
        if count > 1
        else []
    )


def _grey(seen: DecodedImage) -> IssueList:
    if any(each.what in ("one channel", "one bit a pixel") for each in seen.odd):
        return []
    grey = (seen.pixels == seen.pixels[:, :, :1]).all()
    return [DataIssue("", "grey, kept as colours", IssueTreatment.USED)] if grey else []


def _reduced(seen: DecodedImage) -> IssueList:
    height, width = seen.pixels.shape[:2]
    if (width, height) == seen.size:
        return []
    detail = f"{seen.size[0]} x {seen.size[1]} pixels, read at {width} x {height}"
    return [DataIssue("", "larger than is decoded at once, read smaller", IssueTreatment.USED, detail)]


def inspect_mask(
    root: Path,
    name: str,
    seen: DecodedImage | None,
    meaning: NDArray[np.uint8],
    ignored: Collection[int],
    colours: Mapping[tuple[int, int, int], int] | None,
) -> IssueList:
    """What is odd about a mask below a root; see `find_mask_issues`."""
    try:
        path = resolve_inside(root, name)
    except UnreadableFile as error:
        return [DataIssue("", "mask that cannot be read", IssueTreatment.UNLABELLED, str(error))]
    return find_mask_issues(path, seen, meaning, ignored, colours)


def find_mask_issues(
    path: ImageSource,
    seen: DecodedImage | None,
    meaning: NDArray[np.uint8],
    ignored: Collection[int],
    colours: Mapping[tuple[int, int, int], int] | None = None,
) -> IssueList:
    """What is odd about a mask.

    Args:
        path: of the mask; or its bytes.
        seen: its image, null where that cannot be read.
        meaning: see `Records`.
        ignored: numbers that are to be ignored.
        colours: see `Records`.
    """
    try:
        found = decode_mask(path, colours)
    except UnreadableFile as error:
        return [DataIssue("", "mask that cannot be read", IssueTreatment.UNLABELLED, str(error))]
    odd = describe_misfit(found.size, seen.size, seen.orientation) if seen else None
    strange = _unlisted(path, colours) if colours is not None else []
    numbers = _numbers(found.pixels, meaning, ignored, colours is None)
    return [*found.odd, *([odd] if odd else []), *strange, *numbers]


def _unlisted(path: ImageSource, colours: Mapping[Colour, int]) -> IssueList:
    with open_image(path) as image:
        strange = {colour: share for colour, share in count_colour_shares(image).items() if colour not in colours}
    if not strange:
        return []
    some = ", ".join(f"{list(colour)}: {share:.1%}" for colour, share in list(strange.items())[:8])
    detail = f"{len(strange)} of them: {some}{', ...' if len(strange) > 8 else ''}"
    return [DataIssue("", "mask with colours of no class, ignored", IssueTreatment.UNLABELLED, detail)]


def _numbers(
    values: NDArray[np.uint8], meaning: NDArray[np.uint8], ignored: Collection[int], numbered: bool
) -> IssueList:
    numbers, counts = np.unique(values, return_counts=True)
    known = {int(n) for n in numbers if n < len(meaning) and meaning[n] != IGNORED}
    strange = {int(n): int(c) / values.size for n, c in zip(numbers, counts, strict=True)}
    strange = {n: share for n, share in strange.items() if n not in known and n not in ignored}
    odd = []
    if strange:
        detail = ", ".join(f"{n}: {share:.1%}" for n, share in list(strange.items())[:8])
        odd.append(DataIssue("", "mask with numbers of no class, ignored", IssueTreatment.UNLABELLED, detail))
    if numbered and set(numbers.tolist()) == {0, 255} and 255 not in known:
        odd.append(DataIssue("", "mask of 0 and 255 alone, of which 255 is ignored", IssueTreatment.UNLABELLED))
    elif len(known) < 2:
        words = "mask of a single class" if known else "mask without a class"
        odd.append(DataIssue("", words, IssueTreatment.USED, ", ".join(map(str, sorted(known)))))
    return odd
