"""A table with images and masks beside it, for `data=table`."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from candelabra.data.readers.table import BOX_COLUMNS, LABEL_SEPARATOR
from candelabra.data.writers.entry import DatasetEntry
from candelabra.data.writers.writer import DatasetWriter
from candelabra.errors import CandelabraError
from candelabra.types import Labels

_LONGEST = 200  # bytes of a file name


class TableWriter(DatasetWriter):
    """table.csv, images/<name> and masks/<name>.png."""

    reader = "table"
    shuffled = False

    def check(self, labels: Labels) -> None:
        for name in labels.classes if labels.multilabel else ():
            if LABEL_SEPARATOR in name or name != name.strip():
                raise CandelabraError(
                    f"writer=table cannot hold the class {name!r} among several of one image; use writer=webdataset."
                )

    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        taken: set[str] = set()
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(_header(labels))
            for entry in entries:
                name = _free(entry, taken)
                _put(folder / "images" / name, entry.image)
                mask = f"masks/{name}".removesuffix(entry.ending) + ".png" if entry.mask is not None else ""
                if entry.mask is not None:
                    _put(folder / mask, entry.mask)
                table.writerow([f"images/{name}", entry.split, *_cells(entry, labels, mask)])


def _header(labels: Labels) -> list[str]:
    return [
        *("image", "split"),
        *(["label"] if labels.classes else []),
        *(BOX_COLUMNS if labels.box else []),
        *(f"{point}_{axis}" for point in labels.keypoints for axis in "xy"),
        *(["mask"] if labels.mask_classes else []),
    ]


def _cells(entry: DatasetEntry, labels: Labels, mask: str) -> list[Any]:
    """In the order of the header; a list without a class is a separator alone, for an empty cell is not labelled."""
    label = entry.label if not isinstance(entry.label, list) else LABEL_SEPARATOR.join(entry.label) or LABEL_SEPARATOR
    points: list[list[float] | None] = entry.keypoints or [None] * len(labels.keypoints)
    box: Sequence[float | None] = entry.box or [None] * 4
    return [
        *([label] if labels.classes else []),
        *(box if labels.box else []),
        *(value for point in points for value in (point or (None, None))),
        *([mask] if labels.mask_classes else []),
    ]


def _free(entry: DatasetEntry, taken: set[str]) -> str:
    """The name of an image's file, as near to its own as can be: below the folder, not there yet, not too long."""
    parts = [part for part in PurePosixPath(entry.name).parts if part not in ("..", "/")]
    parts = ["".join(c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in part) for part in parts]
    path = PurePosixPath(*parts) if parts else PurePosixPath("image")
    stem = path.stem if path.suffix.lower() == entry.ending else path.name
    stem = stem.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    name, number = str(path.with_name(stem or "image")), 1
    while name.lower() in taken:  # whatever the ending: masks have one of their own
        number += 1
        name = str(path.with_name(f"{stem}-{number}"))
    taken.add(name.lower())
    return name + entry.ending


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
