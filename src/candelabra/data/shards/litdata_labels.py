"""Labels of a folder that litdata has optimized."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import DataIssue
from candelabra.data.shards.label_columns import parse_metadata, pick_field
from candelabra.data.shards.litdata_chunks import LitDataChunks, encode_image_field
from candelabra.data.shards.litdata_index import LitDataFolder, strip_local_prefix
from candelabra.data.targets import MaskTarget

CHUNK_ROWS = "rows.parquet"  # beside the chunks of a split: what each item says of itself


def read_litdata_cells(
    folders: Sequence[LitDataFolder], source: LitDataChunks, fields: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, list[Any]], NDArray[np.bool_], list[DataIssue]]:
    """Reads labels from the table beside the chunks, else from all items.

    Args:
        folders: of all splits.
        source: of the items.
        fields: names that each field may have.

    Returns:
        Names of the items; for each target, one cell an item; (n,) whether an item has a mask; and issues.
    """
    from tqdm import tqdm

    issues: list[DataIssue] = []
    rows: list[dict[str, Any]] = []
    masked: list[bool] = []
    for number, folder in enumerate(folders):
        table = _read_row_table(
            remote_files.join_inside(strip_local_prefix(folder.address), CHUNK_ROWS), len(folder.chunk)
        )
        for place in tqdm(range(len(folder.chunk)), "items", leave=False, delay=3, disable=table is not None):
            index = int(source.ends[number]) + place
            if table is not None:
                item: dict[str, Any] = {"record": table[place][0]}
                has_mask = table[place][1]
            else:
                item = _item(source, index)
                has_mask = encode_image_field(pick_field(item, fields[MaskTarget.name])) is not None
            rows.append({**item, **parse_metadata(item.get("record"), str(index), issues)})
            rows[-1] = {
                field: _value(pick_field(rows[-1], names)) for field, names in fields.items() if field != "image"
            }
            masked.append(has_mask)
    names = [str(index) if row["name"] is None else str(row["name"]) for index, row in enumerate(rows)]
    cells = {field: [row[field] for row in rows] for field in fields if field not in ("image", "name")}
    return names, cells, np.array(masked, bool), issues


def _item(source: LitDataChunks, index: int) -> dict[str, Any]:
    try:
        return source.item(index)
    except UnreadableFile:  # `verify` finds it
        return {}


def _value(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell


def _read_row_table(address: str, count: int) -> list[tuple[str, bool]] | None:
    """Returns record and presence of a mask of each item, or None where no table of so many rows is there."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with remote_files.open_filesystem(address).open(address, "rb") as file:
            table = parquet.read_table(file, columns=["record", "masked"])
    except remote_files.translate_failures(pa.ArrowException, KeyError, ValueError):
        return None
    cells = list(zip(table["record"].to_pylist(), table["masked"].to_pylist(), strict=True))
    return cells if len(cells) == count else None
