"""Labels of a folder that litdata has optimized."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import DataIssue
from candelabra.data.shards.label_columns import parse_metadata, pick_field
from candelabra.data.shards.litdata_chunks import LitDataChunks, read_file_fields
from candelabra.data.shards.litdata_index import LitDataFolder, strip_local_prefix
from candelabra.data.targets import list_file_target_classes

CHUNK_ROWS = "rows.parquet"  # beside the chunks of a split: what each item says of itself


def read_litdata_cells(
    folders: Sequence[LitDataFolder], source: LitDataChunks, fields: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, list[Any]], dict[str, NDArray[np.bool_]], list[DataIssue]]:
    """Reads labels from the table beside the chunks, else from all items.

    Args:
        folders: of all splits.
        source: of the items.
        fields: names that each field may have.

    Returns:
        Names of the items; for each target, one cell an item; for each target in files, (n,) whether an item has
        one; and issues.
    """
    from tqdm import tqdm

    issues: list[DataIssue] = []
    rows: list[dict[str, Any]] = []
    files: list[Collection[str]] = []
    for number, folder in enumerate(folders):
        table = _read_row_table(
            remote_files.join_inside(strip_local_prefix(folder.address), CHUNK_ROWS), len(folder.chunk)
        )
        for place in tqdm(range(len(folder.chunk)), "items", leave=False, delay=3, disable=table is not None):
            index = int(source.ends[number]) + place
            if table is not None:
                item: dict[str, Any] = {"record": table[place][0]}
                files.append(table[place][1])
            else:
                item = _item(source, index)
                files.append(read_file_fields(item, fields))
            rows.append({**item, **parse_metadata(item.get("record"), str(index), issues)})
            rows[-1] = {
                field: _value(pick_field(rows[-1], names)) for field, names in fields.items() if field != "image"
            }
    names = [str(index) if row["name"] is None else str(row["name"]) for index, row in enumerate(rows)]
    cells = {field: [row[field] for row in rows] for field in fields if field not in ("image", "name")}
    present = {name: np.array([name in each for each in files], bool) for name in list_file_target_classes()}
    return names, cells, present, issues


def _item(source: LitDataChunks, index: int) -> dict[str, Any]:
    try:
        return source.item(index)
    except UnreadableFile:  # `verify` finds it
        return {}


def _value(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell


def _read_row_table(address: str, count: int) -> list[tuple[str, list[str]]] | None:
    """Returns record and the targets in files of each item, or None where no table of so many rows is there."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with remote_files.open_filesystem(address).open(address, "rb") as file:
            table = parquet.read_table(file, columns=["record", "files"])
    except remote_files.translate_failures(pa.ArrowException, KeyError, ValueError):
        return None
    cells = list(zip(table["record"].to_pylist(), table["files"].to_pylist(), strict=True))
    return cells if len(cells) == count else None
