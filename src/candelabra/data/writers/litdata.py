"""Write litdata chunks, for `data=litdata` and the litdata library."""

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from candelabra.data.shards.litdata_chunks import require_litdata
from candelabra.data.shards.litdata_labels import CHUNK_ROWS
from candelabra.data.targets import Labels
from candelabra.data.writers.entry import DatasetEntry
from candelabra.data.writers.writer import DatasetWriter
from candelabra.errors import CandelabraError


class LitDataWriter(DatasetWriter):
    """One optimized folder a split: items of image (a file's bytes), record (JSON) and each target in files.

    The file of a target is bytes too, empty where an item has none.

    Each split has a table of its records, so that labels are known before chunks are downloaded.

    Args:
        megabytes: of a chunk (10^6 bytes).
    """

    reader = "litdata"
    shuffled = True

    def __init__(self, megabytes: float = 64.0) -> None:
        if megabytes <= 0:
            raise CandelabraError(f"writer.megabytes={megabytes} must be above 0.")
        self.megabytes = megabytes

    def check(self, labels: Labels) -> None:
        require_litdata()

    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        require_litdata()
        from litdata.streaming.writer import BinaryWriter

        names = [name for name, target in labels.items() if target.in_files]
        for split, group in groupby(entries, key=lambda entry: entry.split):
            writer = BinaryWriter(str(folder / split), chunk_bytes=int(self.megabytes * 10**6))
            records: list[dict[str, Any]] = []
            for number, entry in enumerate(group):
                record = json.dumps(entry.to_record(), ensure_ascii=False)
                files = {name: entry.files.get(name, b"") for name in names}
                writer[number] = {"image": entry.image, **files, "record": record}
                records.append({"record": record, "files": list(entry.files)})
            writer.done()
            writer.merge()
            parquet.write_table(pa.Table.from_pylist(records), folder / split / CHUNK_ROWS)
