"""Images and files of targets in memory-mapped Arrow tables, as `datasets` gives them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from candelabra.data.decoding.images import UnreadableFile, read_bytes
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource


class ArrowSource(EncodedSource):
    """Rows of memory-mapped tables.

    Args:
        tables: of all splits.
        image: the column of images.
        files: the columns of targets that lie in files, by their names.
        roots: folders that image files must be below, where a table has their paths.
    """

    def __init__(self, tables: Sequence[Any], image: str, files: Mapping[str, str], roots: Sequence[Path]) -> None:
        import datasets

        self.image, self.files, self.roots = image, files, roots
        columns = [image, *files.values()]
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
        files = {name: self._file(row[column]) for name, column in self.files.items()}
        return EncodedFiles(image, {name: file for name, file in files.items() if file is not None})

    def _file(self, cell: Mapping[str, Any] | None) -> bytes | None:
        if cell is None or cell["bytes"]:
            return None if cell is None else bytes(cell["bytes"])
        if not cell["path"]:
            return None
        path = Path(cell["path"]).resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise UnreadableFile(f"{path} is outside of the data set's folder.")
        return read_bytes(path)
