"""Checks the files of a data set before training: headers only; what is doubtful is decoded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from candelabra.data.decoding.header_checks import read_headers
from candelabra.data.decoding.images import ImageHeader, decode_image
from candelabra.data.issues import DataIssue
from candelabra.data.targets import TargetColumn
from candelabra.errors import UnreadableFile

VERIFIED_FILES = 20_000  # images; of a larger set, so many are checked


def verify_files(
    root: Path, names: Sequence[str], columns: Sequence[TargetColumn]
) -> tuple[dict[int, str], list[DataIssue]]:
    """Checks images and, against their sizes, all targets; columns repair or drop in place what cannot be used.

    Args:
        root: the folder that `names` are below.
        names: path of each image.
        columns: of the targets.

    Returns:
        What is wrong with the images that cannot be used, by index; and what was wrong with targets.

    Raises:
        CandelabraError: no value of a target can be used.
    """
    chosen = [int(index) for index in np.linspace(0, len(names) - 1, min(len(names), VERIFIED_FILES))]
    found = read_headers(root, [names[index] for index in chosen], "images", decode_image)
    headers = {index: each for index, each in zip(chosen, found, strict=True) if isinstance(each, ImageHeader)}
    issues = [
        issue._replace(name=names[index]) for column in _files_first(columns) for index, issue in column.verify(headers)
    ]
    return {i: str(each) for i, each in zip(chosen, found, strict=True) if isinstance(each, UnreadableFile)}, issues


def _files_first(columns: Sequence[TargetColumn]) -> list[TargetColumn]:
    """Columns of files before those in memory, so that a wrong folder is reported first."""
    return sorted(columns, key=lambda column: not column.has_files)
