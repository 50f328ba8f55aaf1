"""Write a CSV table with image and mask files, for `data=table`."""

import csv
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from candelabra.data.targets import Labels, LabelTarget
from candelabra.data.targets.label import LABEL_SEPARATOR
from candelabra.data.writers.entry import DatasetEntry
from candelabra.data.writers.writer import DatasetWriter
from candelabra.errors import CandelabraError

_LONGEST = 200  # bytes of a file name


class TableWriter(DatasetWriter):
    """Writes table.csv, images/<name>, masks/<name>.png and the files of other targets."""

    reader = "table"
    shuffled = False

    def check(self, labels: Labels) -> None:
        target = labels.find(LabelTarget)
        for name in target.classes if target and target.multilabel else ():
            if LABEL_SEPARATOR in name or name != name.strip():
                raise CandelabraError(
                    f"to=table cannot hold the class {name!r} among several of one image; use to=webdataset."
                )

    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        taken: set[str] = set()
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image", "split", *(c for target in labels.values() for c in target.table_header())])
            for entry in entries:
                name = _free(entry, taken)
                _put(folder / "images" / name, entry.image)
                cells: list[Any] = [f"images/{name}", entry.split]
                for key, target in labels.items():
                    path = ""
                    if key in entry.files:
                        path = f"{key.removesuffix('s')}s/{name}".removesuffix(entry.ending) + target.file_suffix
                        _put(folder / path, entry.files[key])
                    cells += target.table_cells(entry.records.get(key), path)
                table.writerow(cells)


def _free(entry: DatasetEntry, taken: set[str]) -> str:
    """Return a file name close to the name of the sample: inside the folder, unique and not too long."""
    parts = [part for part in PurePosixPath(entry.name).parts if part not in ("..", "/")]
    parts = ["".join(c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in part) for part in parts]
    path = PurePosixPath(*parts) if parts else PurePosixPath("image")
    stem = path.stem if path.suffix.lower() == entry.ending else path.name
    stem = stem.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    name, number = str(path.with_name(stem or "image")), 1
    while name.lower() in taken:  # without the suffix, as masks have another one
        number += 1
        name = str(path.with_name(f"{stem}-{number}"))
    taken.add(name.lower())
    return name + entry.ending


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
