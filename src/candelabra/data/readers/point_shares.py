"""Coordinates that are shares of their image, not pixels."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.images import read_image_size
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.label_frames import is_relative
from candelabra.errors import UnreadableFile


def scale_shares(
    values: NDArray[np.float32], root: Path, names: Sequence[str], what: str, issues: list[DataIssue]
) -> NDArray[np.float32]:
    """Points in pixels, where they are shares of their image; see `is_relative`.

    Args:
        values: (n, K, 2) XY, NaN where not labelled.
        root: the folder that names are below.
        names: of the n images.
        what: the points are, for the issue.
        issues: list to which an issue is appended.
    """
    if not is_relative([values]):
        return values
    known = values[np.isfinite(values)]
    sizes = np.full((len(names), 1, 2), np.nan, np.float32)
    for row, name in enumerate(names):
        with suppress(UnreadableFile):  # it is left out later, with the reason
            sizes[row] = read_image_size(resolve_inside(root, name))
    detail = f"numbers from {known.min():g} to {known.max():g}; {len(names)} images"
    issues.append(DataIssue(names[0], f"{what} as shares of the image, scaled", IssueTreatment.REPAIRED, detail))
    return (values * sizes).astype(np.float32)
