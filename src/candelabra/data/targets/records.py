"""Numbers in records of shards: one cell a sample, null where a sample has none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment


def parse_rows(
    cells: Sequence[Any], names: Sequence[str], width: int, what: str, issues: list[DataIssue]
) -> NDArray[np.float32] | None:
    """(n, width) float32, NaN where a cell is missing or is no list of `width` finite numbers; null without any cell.

    Args:
        cells: one a sample.
        names: of the samples.
        width: numbers a cell should have.
        what: is wrong with a cell that has not, for the issue.
        issues: grows by such cells.
    """
    if not width or all(cell is None for cell in cells):
        return None
    rows = np.full((len(cells), width), np.nan, np.float32)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            with np.errstate(over="ignore"):  # which gives infinity
                values = np.asarray(cell, np.float32)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0, np.float32)
        if values.shape == (width,) and not np.isinf(values).any():
            rows[row] = values
        else:
            issues.append(DataIssue(names[row], what, IssueTreatment.UNLABELLED, str(cell)[:80]))
    return rows
