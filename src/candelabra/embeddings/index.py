"""The index that `candelabra embed` writes: vectors, a table of their images, and their recipe."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.paths import escape_path
from candelabra.embeddings.encoder import Vectors
from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.storage.atomic import replace_atomically, write_atomically
from candelabra.storage.documents import load_json

IndexFormat = Literal["npy", "parquet"]
INDEX_FORMATS = ("npy", "parquet")
_DAMAGE = (OSError, ValueError, KeyError, EOFError, ArithmeticError, MemoryError, SyntaxError, TokenError)
INDEX_VERSION = 1  # of the folder
INDEX_FILE = "embedding.json"  # recipe of the vectors; written before the first of them
VECTORS_FILE, INDEX_TABLE, PARQUET_TABLE = "embeddings.npy", "samples.csv", "embeddings.parquet"


@dataclass(frozen=True)
class VectorIndex:
    """Embedded images.

    Args:
        vectors: (n, D) float32; memory-mapped if they are an npy file.
        columns: (n,) strings by column: name, and path, split and label if known; "" where unknown.
        about: recipe of the vectors, see `EmbeddingRecipe`.
        folder: where it lies.
    """

    vectors: Vectors
    columns: Mapping[str, NDArray[np.object_]]
    about: Mapping[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: str | Path, key: str = "index") -> "VectorIndex":
        """Reads an index.

        Args:
            folder: of the index.
            key: the option that names the folder, for errors.

        Raises:
            CandelabraError: there is no index, or it is not finished or of another format.
        """
        place = Path(folder)
        if not (place / INDEX_FILE).is_file():
            raise CandelabraError(
                f"{key}={escape_path(place)} is no folder that candelabra embed wrote (it has no {INDEX_FILE}); "
                "make one "
                f"with candelabra embed source=<images> folder={escape_path(place)}."
            )
        about = read_index_file(place, key)
        if about.get("format") != INDEX_VERSION:
            raise CandelabraError(
                f"{key}={escape_path(place)} has format {about.get('format')}, but only format {INDEX_VERSION} can "
                "be read; embed the images again."
            )
        if not about.get("complete"):
            raise CandelabraError(
                f"{key}={escape_path(place)} is not finished; the same candelabra embed with "
                f"folder={escape_path(place)} goes on."
            )
        if (place / PARQUET_TABLE).is_file():
            require_package("pyarrow", f"{key}={escape_path(place)}")
        try:
            vectors, columns = _read_vectors(place)
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            ArithmeticError,
            MemoryError,
            SyntaxError,
            TokenError,
        ) as error:
            problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise CandelabraError(
                f"{key}={escape_path(place)} is damaged ({problem}); embed the images again."
            ) from error
        return cls(vectors, columns, about, place)

    def __len__(self) -> int:
        return len(self.vectors)

    def column(self, name: str, wanted: str) -> NDArray[np.object_]:
        """Returns a column.

        Args:
            name: of the column.
            wanted: the option that needs it, for errors.

        Raises:
            CandelabraError: the column is missing or empty.
        """
        if name in self.columns and (self.columns[name] != "").any():
            return self.columns[name]
        raise CandelabraError(
            f"{wanted} needs to know the {name} of each image, which {escape_path(self.folder)} does not have: "
            "embed them "
            f"from data=..., from a table with a column {name}, or with label='<regular expression on names>'."
        )


def write_index(
    folder: Path, kind: IndexFormat, blocks: Iterable[Vectors], columns: Mapping[str, Sequence[str]], dimensions: int
) -> None:
    """Writes vectors and table atomically; few of the vectors are in memory at once.

    Args:
        folder: that exists.
        kind: npy (an array that can be mapped into memory, and a CSV beside it) or parquet (one file).
        blocks: of vectors, in order.
        columns: of all vectors.
        dimensions: D.
    """
    if kind == "parquet":
        _write_parquet(folder / PARQUET_TABLE, blocks, columns, dimensions)
        return
    count = len(next(iter(columns.values())))
    with replace_atomically(folder / VECTORS_FILE) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.float32, (count, dimensions))
        start = 0
        for block in blocks:
            array[start : start + len(block)] = block
            start += len(block)
        array.flush()
        del array
    import pandas

    write_atomically(folder / INDEX_TABLE, pandas.DataFrame(dict(columns)).to_csv(index=False, lineterminator="\n"))


def read_index_file(folder: Path, key: str) -> dict[str, Any]:
    """Reads what an index says of itself; nothing of it is built.

    Raises:
        CandelabraError: it cannot be read, or holds something else.
    """
    try:
        about = load_json((folder / INDEX_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CandelabraError(f"{key}={escape_path(folder)}: {INDEX_FILE} cannot be read ({error}).") from error
    if not isinstance(about, dict):
        raise CandelabraError(f"{key}={escape_path(folder)}: {INDEX_FILE} is not that of an index.")
    return about


def _read_vectors(folder: Path) -> tuple[Vectors, dict[str, NDArray[np.object_]]]:
    if (folder / PARQUET_TABLE).is_file():
        return _read_parquet(folder / PARQUET_TABLE)
    vectors: Vectors = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise ValueError(f"{VECTORS_FILE} is no array of vectors")
    columns = _read_csv(folder / INDEX_TABLE)
    if any(len(column) != len(vectors) for column in columns.values()):
        raise ValueError(f"{INDEX_TABLE} has another number of rows than {VECTORS_FILE}")
    return vectors, columns


def _read_csv(path: Path) -> dict[str, NDArray[np.object_]]:
    import pandas

    table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    return {str(name): table[name].to_numpy(dtype=object) for name in table}


def _write_parquet(path: Path, blocks: Iterable[Vectors], columns: Mapping[str, Sequence[str]], width: int) -> None:
    import pyarrow
    from pyarrow import parquet

    words = [pyarrow.field(name, pyarrow.string()) for name in columns]
    schema = pyarrow.schema([*words, pyarrow.field("embedding", pyarrow.list_(pyarrow.float32(), width))])
    with replace_atomically(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        start = 0
        for block in blocks:
            stop = start + len(block)
            arrays = [pyarrow.array([escape_path(word) for word in column[start:stop]]) for column in columns.values()]
            flat = pyarrow.array(np.ascontiguousarray(block).reshape(-1))
            arrays.append(pyarrow.FixedSizeListArray.from_arrays(flat, width))
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            start = stop


def _read_parquet(path: Path) -> tuple[Vectors, dict[str, NDArray[np.object_]]]:
    from pyarrow import parquet

    table = parquet.read_table(path)
    width = table.schema.field("embedding").type.list_size
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    words = {name: table[name].to_numpy().astype(object) for name in table.column_names if name != "embedding"}
    return flat.reshape(-1, width), words
