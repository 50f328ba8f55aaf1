"""Masks of 1, 2 or 4 bits a pixel, which viewers show stretched to 255."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from candelabra.data.decoding.image_files import open_image
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.decoding.pixel_modes import read_bit_depth
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.mask_values import MaskValues
from candelabra.errors import UnreadableFile
from candelabra.types import IGNORED

_SAMPLED = 32  # masks that are looked at


def add_stored_values(named: MaskValues, root: Path, paths: Sequence[str], issues: list[DataIssue]) -> MaskValues:
    """Gives what masks of few bits hold (1) the class of what viewers show (255), where that alone was named.

    Args:
        named: what pixel values mean, as somebody said.
        root: the folder that masks are below.
        paths: of the masks.
        issues: list to which an issue is appended.
    """
    depths: dict[int, str] = {}
    for place in np.linspace(0, len(paths) - 1, min(len(paths), _SAMPLED)).astype(int):
        with suppress(UnreadableFile), open_image(resolve_inside(root, paths[place])) as image:
            depths.setdefault(read_bit_depth(image), paths[place])
    meaning = named.meaning.copy()
    for depth, path in depths.items():
        if depth > 4:
            continue
        factor = 255 // (2**depth - 1)
        stored = np.arange(2**depth)
        lacking = (named.meaning[stored] == IGNORED) & (named.meaning[stored * factor] != IGNORED)
        lacking &= ~np.isin(stored, named.ignored)
        meaning[stored[lacking]] = named.meaning[stored[lacking] * factor]
        if lacking.any():
            pairs = ", ".join(f"{number} is read as {number * factor}" for number in stored[lacking].tolist())
            what = f"masks of {depth} bit{'s' if depth > 1 else ''} a pixel, as viewers show them"
            issues.append(DataIssue(path, what, IssueTreatment.REPAIRED, pairs))
    return named._replace(meaning=meaning)
