"""All that is odd in one sample whose image and mask are files."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.decoding.image_files import Origin, opened
from candelabra.data.decoding.images import Picture, mask, picture
from candelabra.data.decoding.mask_colours import Colour, shares
from candelabra.data.decoding.mask_fitting import misfit
from candelabra.data.decoding.paths import below
from candelabra.data.issues import Oddity, Treatment
from candelabra.errors import Unreadable
from candelabra.types import IGNORED

KINDS = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "pgm": "PPM"}  # else a suffix says its own name
Odd = list[Oddity]


def inspected(root: Path, name: str) -> tuple[Picture | None, Odd]:
    """An image below a root, null where it cannot be read, and what is odd about it."""
    try:
        path = below(root, name)
        seen = picture(path)
        with opened(path) as image:
            more = _misnamed(path, image.format or "") + _frames(image)
    except Unreadable as error:
        return None, [Oddity("", "unreadable", Treatment.SKIPPED, str(error))]
    return seen, [*seen.odd, *more, *_grey(seen), *_reduced(seen)]


def _misnamed(path: Path, kind: str) -> Odd:
    suffix = path.suffix.lower().lstrip(".")
    if KINDS.get(suffix, suffix.upper()) == kind:
        return []
    return [Oddity("", "named as another kind of image than it is", Treatment.USED, f"{kind} named .{suffix}")]


def _frames(image: Image.Image) -> Odd:
    try:
        count = getattr(image, "n_frames", 1)  # not every kind of image can have several
    except Exception:
        count = 1  # what follows the first image is damaged, and of no account
    return [Oddity("", "several images in one file, the first used", Treatment.USED, f"{count}")] if count > 1 else []


def _grey(seen: Picture) -> Odd:
    if any(each.what in ("one channel", "one bit a pixel") for each in seen.odd):
        return []
    grey = (seen.pixels == seen.pixels[:, :, :1]).all()
    return [Oddity("", "grey, kept as colours", Treatment.USED)] if grey else []


def _reduced(seen: Picture) -> Odd:
    height, width = seen.pixels.shape[:2]
    if (width, height) == seen.size:
        return []
    detail = f"{seen.size[0]} x {seen.size[1]} pixels, read at {width} x {height}"
    return [Oddity("", "larger than is decoded at once, read smaller", Treatment.USED, detail)]


def inspected_mask(
    root: Path,
    name: str,
    seen: Picture | None,
    meaning: NDArray[np.uint8],
    ignored: Collection[int],
    colours: Mapping[tuple[int, int, int], int] | None,
) -> Odd:
    """What is odd about a mask below a root; see `odd_mask`."""
    try:
        path = below(root, name)
    except Unreadable as error:
        return [Oddity("", "mask that cannot be read", Treatment.UNLABELLED, str(error))]
    return odd_mask(path, seen, meaning, ignored, colours)


def odd_mask(
    path: Origin,
    seen: Picture | None,
    meaning: NDArray[np.uint8],
    ignored: Collection[int],
    colours: Mapping[tuple[int, int, int], int] | None = None,
) -> Odd:
    """What is odd about a mask.

    Args:
        path: of the mask; or its bytes.
        seen: its image, null where that cannot be read.
        meaning: see `Records`.
        ignored: numbers that are to be ignored.
        colours: see `Records`.
    """
    try:
        found = mask(path, colours)
    except Unreadable as error:
        return [Oddity("", "mask that cannot be read", Treatment.UNLABELLED, str(error))]
    odd = misfit(found.size, seen.size, seen.orientation) if seen else None
    strange = _unlisted(path, colours) if colours is not None else []
    numbers = _numbers(found.pixels, meaning, ignored, colours is None)
    return [*found.odd, *([odd] if odd else []), *strange, *numbers]


def _unlisted(path: Origin, colours: Mapping[Colour, int]) -> Odd:
    with opened(path) as image:
        strange = {colour: share for colour, share in shares(image).items() if colour not in colours}
    if not strange:
        return []
    some = ", ".join(f"{list(colour)}: {share:.1%}" for colour, share in list(strange.items())[:8])
    detail = f"{len(strange)} of them: {some}{', ...' if len(strange) > 8 else ''}"
    return [Oddity("", "mask with colours of no class, ignored", Treatment.UNLABELLED, detail)]


def _numbers(values: NDArray[np.uint8], meaning: NDArray[np.uint8], ignored: Collection[int], numbered: bool) -> Odd:
    numbers, counts = np.unique(values, return_counts=True)
    known = {int(n) for n in numbers if n < len(meaning) and meaning[n] != IGNORED}
    strange = {int(n): int(c) / values.size for n, c in zip(numbers, counts, strict=True)}
    strange = {n: share for n, share in strange.items() if n not in known and n not in ignored}
    odd = []
    if strange:
        detail = ", ".join(f"{n}: {share:.1%}" for n, share in list(strange.items())[:8])
        odd.append(Oddity("", "mask with numbers of no class, ignored", Treatment.UNLABELLED, detail))
    if numbered and set(numbers.tolist()) == {0, 255} and 255 not in known:
        odd.append(Oddity("", "mask of 0 and 255 alone, of which 255 is ignored", Treatment.UNLABELLED))
    elif len(known) < 2:
        words = "mask of a single class" if known else "mask without a class"
        odd.append(Oddity("", words, Treatment.USED, ", ".join(map(str, sorted(known)))))
    return odd
