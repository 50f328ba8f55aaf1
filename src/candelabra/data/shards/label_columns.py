"""What the records of shards say of each sample, as columns of targets."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets import Labels, TargetColumn, list_target_classes


def record_fields() -> dict[str, list[str]]:
    """Names under which records hold the name of a sample and each target."""
    return {"name": ["name"], **{name: list(kind.fields) for name, kind in list_target_classes().items()}}


def read_columns(
    names: Sequence[str],
    cells: Mapping[str, Sequence[Any]],
    present: Mapping[str, NDArray[np.bool_]],
    given: Labels,
    issues: list[DataIssue],
) -> list[TargetColumn]:
    """The columns of all targets that records or files of shards hold.

    Args:
        names: of the samples.
        cells: for targets that records hold, one cell a sample, null where it has none.
        present: for targets that lie in files, (n,) which samples have one.
        given: targets that are known before, such as the names of classes.
        issues: grows by what is wrong.
    """
    columns: list[TargetColumn] = []
    for name, kind in list_target_classes().items():
        described = given.find(kind)
        column = kind.read_records(cells.get(name, [None] * len(names)), names, described, issues)
        if column is None and name in present:
            column = kind.read_files(present[name], described)
        if column is not None:
            columns.append(column)
    return columns


def parse_metadata(text: str | None, name: str, issues: list[DataIssue]) -> Mapping[str, Any]:
    """What a sample's JSON says; nothing, where it is none, which is then listed.

    Args:
        text: JSON, or null.
        name: of its file.
        issues: gets what is odd.
    """
    if text is None:
        return {}
    try:
        words = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        words = error
    if isinstance(words, dict):
        return words
    issues.append(DataIssue(name, "json is no mapping", IssueTreatment.UNLABELLED, str(words)[:80]))
    return {}


def pick_field(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first value that is there under one of some names."""
    return next((row[name] for name in names if row.get(name) is not None), None)
