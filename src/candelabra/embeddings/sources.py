"""What is embedded: files that are named in some way, or the samples of a data set."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.image_sources import list_sources
from candelabra.data.decoding.images import decode_image, find_images, hash_file
from candelabra.data.decoding.paths import escape_path
from candelabra.data.decoding.table_files import read_table_file
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.sampling.name_tables import TABLE_PATTERN, is_table, read_column
from candelabra.data.sampling.split_names import parse_split_cells
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from candelabra.types import Sample

_NAMED = ("image", "path", "name", "filename", "file")  # columns of a table that hold paths, the first that is there


class EmbeddingSource(ABC):
    """Images, and what is known of them.

    Attributes:
        names: what identifies each image.
        columns: further words on each image by the name of a column: path ("" where there is no file), split, label.
    """

    names: Sequence[str]
    columns: dict[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def load(self, index: int, least: tuple[int, int]) -> Sample:
        """An image, which may come smaller than it is; see `Samples.load`.

        Raises:
            UnreadableFile: its file cannot be read.
        """

    @abstractmethod
    def digest(self, index: int) -> bytes:
        """20 bytes that differ where the content of two images does.

        Raises:
            UnreadableFile: its file cannot be read.
        """


class FileSource(EmbeddingSource):
    """Image files; their names are relative to the folder that holds all of them.

    Args:
        paths: of the files.
        columns: what else is known.
    """

    def __init__(self, paths: Sequence[Path], columns: Mapping[str, Sequence[str]]) -> None:
        whole = [str(path.absolute()) for path in paths]
        common = os.path.commonpath([os.path.dirname(path) for path in whole])  # noqa: PTH120
        self.paths, self.names = paths, [os.path.relpath(path, common) for path in whole]
        self.columns = {"path": whole, **columns}

    def load(self, index: int, least: tuple[int, int]) -> Sample:
        return make_sample(image_to_tensor(decode_image(self.paths[index], least).pixels))

    def digest(self, index: int) -> bytes:
        return hash_file(self.paths[index])


class DatasetSource(EmbeddingSource):
    """All samples of a data set that are in a split, training first.

    Args:
        data: its classes become words; several of one image are joined by |.
    """

    def __init__(self, data: SampleDataModule) -> None:
        self.samples = data.open()
        self.indices = [int(index) for part in data.parts.values() for index in part]
        self.names = [self.samples.names[index] for index in self.indices]
        parts = data.datasets()
        root = parts[""].reader.folder if "" in parts else None  # names of a union begin with that of the set
        paths = [Path(root or "", name) for name in self.names]
        self.columns = {
            "path": [str(path.absolute()) if root and path.is_file() else "" for path in paths],
            "split": [split for split, part in data.parts.items() for _ in part],
        }
        target = self.samples.labels.find(LabelTarget)
        classes = np.array(target.classes if target else (), dtype=object)
        if target and target.multilabel:
            self.columns["label"] = ["|".join(classes[row]) for row in self.samples.shown()[self.indices]]
        elif len(classes):
            known, numbers = self.samples.labelled()[LabelTarget.name], self.samples.strata
            self.columns["label"] = [classes[numbers[index]] if known[index] else "" for index in self.indices]

    def load(self, index: int, least: tuple[int, int]) -> Sample:
        return {"image": self.samples.load(self.indices[index], least)["image"]}

    def digest(self, index: int) -> bytes:
        return self.samples.digest(self.indices[index])


def make_source(given: str | Sequence[str], key: str = "source") -> EmbeddingSource:
    """The images that files, folders, globs or a table stand for.

    A table (CSV or Parquet) names images in its column image, path, name or file, relative to its own folder; its
    columns label and split are kept.

    Args:
        given: one of them, or several but tables.
        key: the option that names them, for errors.

    Raises:
        CandelabraError: there is no image, or a table has no such column.
    """
    if isinstance(given, str) and is_table(given) and Path(given).is_file():
        return _tabled(given, key)
    return FileSource(list_sources(given, key), {})


def _tabled(given: str, key: str) -> FileSource:
    path = Path(given).expanduser()
    table = read_table_file(path, [])
    by_word = {str(column).casefold(): str(column) for column in reversed(table.columns)}
    named = next((by_word[word] for word in _NAMED if word in by_word), None)
    if named is None or table.empty:
        raise CandelabraError(
            f"{key}={given} names no image; it needs a column {', '.join(_NAMED[:-1])} or {_NAMED[-1]}, and has "
            f"{len(table)} rows of the columns {', '.join(map(str, table.columns))}."
        )
    table = table.dropna(subset=[named]).fillna("")
    columns: dict[str, Sequence[str]] = {}
    if "split" in by_word:
        columns["split"] = parse_split_cells(table[by_word["split"]], f"{key}={given}")
    if "label" in by_word:
        columns["label"] = [clean_class_name(cell) for cell in table[by_word["label"]].astype(str)]
    finder = FileFinder(path.parent, find_images(path.parent))
    found = [(str(name), finder.find(str(name))) for name in table[named]]
    return FileSource([path.parent / (name or stated) for stated, name in found], columns)


def label_files(source: EmbeddingSource, word: str, root: str | None) -> None:
    """Gives images labels that the data do not: by a regular expression on names, or a table with name and label.

    Args:
        source: whose column `label` is set; "" where nothing is found.
        word: (.+)_ say, of which the first group counts, or the whole match; or `persons.csv`, `persons.csv:person`.
        root: where the table is looked for too.

    Raises:
        CandelabraError: it is neither, or says nothing of any image.
    """
    if TABLE_PATTERN.fullmatch(word):
        cells = read_column("label", word, "label", source.names, root)
        source.columns["label"] = ["" if cell is None else clean_class_name(str(cell)) for cell in cells]
        return
    try:
        expression = re.compile(word)
    except re.error as error:
        raise CandelabraError(f"label={word} is no regular expression ({error}) and no table.") from error
    found = [expression.search(Path(name).as_posix()) for name in source.names]
    if not any(found):
        raise CandelabraError(f"label={word} matches no name, such as {escape_path(source.names[0])}.")
    group = 1 if expression.groups else 0
    source.columns["label"] = [clean_class_name(match[group] or "") if match else "" for match in found]
