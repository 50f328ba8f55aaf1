"""Images and masks in memory-mapped Arrow tables, as `datasets` gives them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from candelabra.data.decoding.images import UnreadableFile, read_bytes
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource
from candelabra.data.targets import MaskTarget


class ArrowSource(EncodedSource):
    """Rows of memory-mapped tables.

    Args:
        tables: of all splits.
        image: the column of images.
        mask: that of masks, or null.
        roots: folders that image files must be below, where a table has their paths.
    """

    def __init__(self, tables: Sequence[Any], image: str, mask: str | None, roots: Sequence[Path]) -> None:
        import datasets

        self.image, self.mask, self.roots = image, mask, roots
        columns = [image, *([mask] if mask else [])]
        self.tables = []
        for table in tables:
            encoded = table.select_columns(columns)
            for column in columns:
                encoded = encoded.cast_column(column, datasets.Image(decode=False))
            self.tables.append(encoded)
        self.ends = np.cumsum([0, *(len(table) for table in tables)])

    def read(self, index: int) -> EncodedFiles:
        number = int(np.searchsorted(self.ends, index, side="right")) - 1
        try:
            row = self.tables[number][index - int(self.ends[number])]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UnreadableFile(f"Row {index} cannot be read ({error}).") from error
        image = self._file(row[self.image])
        if image is None:
            raise UnreadableFile(f"Row {index} has no image in the column {self.image}.")
        mask = self._file(row[self.mask]) if self.mask else None
        return EncodedFiles(image, {} if mask is None else {MaskTarget.name: mask})

    def _file(self, cell: Mapping[str, Any] | None) -> bytes | None:
        if cell is None or cell["bytes"]:
            return None if cell is None else bytes(cell["bytes"])
        if not cell["path"]:
            return None
        path = Path(cell["path"]).resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise UnreadableFile(f"{path} is outside of the data set's folder.")
        return read_bytes(path)
