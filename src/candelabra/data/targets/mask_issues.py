"""Everything that is wrong with a mask file."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.image_files import ImageSource, open_image
from candelabra.data.decoding.images import DecodedImage, decode_mask
from candelabra.data.decoding.mask_colours import Colour, count_colour_shares
from candelabra.data.decoding.mask_fitting import describe_misfit
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import UnreadableFile
from candelabra.types import IGNORED

IssueList = list[DataIssue]


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
        meaning: see `MaskFileColumn`.
        ignored: numbers that are to be ignored.
        colours: see `MaskFileColumn`.
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
