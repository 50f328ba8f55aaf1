"""Data sets of the Hugging Face hub, or of a folder as its `datasets` writes or reads them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from candelabra.data.decoding.images import UnreadableFile, read_bytes
from candelabra.data.labels_json import parse_labels_json
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.object_choice import ObjectRule, choose_object
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.shards.box_columns import BoxCorners, compute_area, parse_box
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource, make_encoded_samples
from candelabra.data.shards.label_columns import LabelColumns
from candelabra.environment import is_reachable
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Labels

_GUESSES = {
    "image": ("image", "img", "jpg", "png", "pixel_values"),
    "mask": ("mask", "segmentation_mask", "annotation", "segmentation"),
    "label": ("label", "labels", "class"),
    "box": ("objects.bbox", "objects.box", "bbox", "box"),
    "keypoints": ("keypoints",),
}
_OF_OBJECTS = ("objects.category", "objects.label")  # labels that go with boxes


@dataclass(kw_only=True, eq=False)
class HuggingFace(DataModule):
    """Splits train, validation and test as published; images are decoded when they are asked for, and memory-mapped.

    Args:
        path: a name on the hub, or a folder: written by save_to_disk, or of Parquet files, or of images.
        name: of the configuration, where there are several.
        columns: which column is what, such as {image: img, label: fine_label, box: objects.bbox}; those not named
            are guessed by their names and features.
        boxes: what the four numbers of a box are, in pixels: xyxy, or xywh as in COCO.
        objects: which box is taken, and which label with it, where an image has several: largest, first, or single
            (an image with several has neither).
        words: names that the features do not have: {mask_classes: [...], keypoints: [...], mirror: [...], ...}.
    """

    path: str
    name: str | None = None
    columns: Mapping[str, str] | None = None
    boxes: BoxCorners | None = None
    objects: ObjectRule = "largest"
    words: Mapping[str, Any] | None = None

    def read(self) -> Samples:
        if find_spec("datasets") is None:
            raise CandelabraError("datasets is not installed; pip install 'candelabra[huggingface]'.")
        splits = _load(self.path, self.name)
        features = next(iter(splits.values())).features
        columns = self._columns(features)
        if "image" not in columns:
            raise CandelabraError(
                f"data.path={self.path} has no column of images among {', '.join(features)}; name it with "
                "data.columns={image: ...}."
            )
        given = _named(parse_labels_json(self.words or {}, "data.words"), features, columns)
        counts = [len(each) for each in splits.values()]
        published = np.repeat(np.array(list(splits), "<U5"), counts)
        source = ArrowSource(list(splits.values()), columns["image"], columns.get("mask"), _roots(self.path))
        names = [f"{split}/{number}" for split, count in zip(splits, counts, strict=True) for number in range(count)]
        label, box, points = (_cells(splits.values(), columns.get(each)) for each in ("label", "box", "keypoints"))
        if any(cell is not None for cell in box):
            if self.boxes is None:
                raise CandelabraError(
                    f"data.boxes is not given: say what the numbers of {columns['box']} are, such as "
                    f"{next(cell for cell in box if cell is not None)}: data.boxes=xyxy or data.boxes=xywh."
                )
            several = [parse_box(cell, self.boxes) for cell in box]
            places = [choose_object([compute_area(each) for each in boxes], self.objects) for boxes in several]
            box = [None if at is None else boxes[at] for boxes, at in zip(several, places, strict=True)]
            if _of_boxes(columns):
                label = [None if at is None else each[at] for each, at in zip(label, places, strict=True)]
        made = LabelColumns(names, label, box, points)
        masked = np.full(len(names), "mask" in columns)
        return make_encoded_samples(source, made, published, masked, given)

    def _columns(self, features: Mapping[str, Any]) -> dict[str, str]:
        """The column of each target, as typed or guessed."""
        typed = dict(self.columns or {})
        for target, column in typed.items():
            if target not in _GUESSES:
                raise CandelabraError(f"data.columns names {target}; allowed are {list_nearest(target, _GUESSES)}.")
            if _feature(features, column) is None:
                raise CandelabraError(
                    f"data.columns has {target}: {column}; there are {list_nearest(column, features)}."
                )
        found = {target: _guess(features, target) for target in _GUESSES if target not in typed}
        if found.get("label") == "":
            labels = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
            raise CandelabraError(
                f"data.path={self.path} has several labels, {' and '.join(labels)}; choose one with "
                f"data.columns={{label: {labels[0]}}}."
            )
        return typed | {target: column for target, column in found.items() if column}


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
        return EncodedFiles(image, self._file(row[self.mask]) if self.mask else None)

    def _file(self, cell: Mapping[str, Any] | None) -> bytes | None:
        if cell is None or cell["bytes"]:
            return None if cell is None else bytes(cell["bytes"])
        if not cell["path"]:
            return None
        path = Path(cell["path"]).resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise UnreadableFile(f"{path} is outside of the data set's folder.")
        return read_bytes(path)


def _load(path: str, name: str | None) -> dict[str, Any]:
    """The tables of each split.

    Raises:
        CandelabraError: there is no such data set, it cannot be fetched, or has no split.
    """
    import datasets
    from datasets.exceptions import DatasetsError

    folder = Path(path).expanduser()
    local = folder.exists() or path.startswith((".", "/", "~"))
    if local and not folder.is_dir():
        raise CandelabraError(f"data.path={path} is not a folder (looked at {folder.absolute()}).")
    try:
        if local and any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(str(folder))
        elif local:
            found = datasets.load_dataset(str(folder.absolute()), name)
        else:
            found = _fetch(path, name)
    except (DatasetsError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        words = " ".join(str(error).split())[:300]
        ways = "" if local else " Go online (or point HF_ENDPOINT at what can be reached), or give a folder."
        raise CandelabraError(f"data.path={path} cannot be loaded ({type(error).__name__}: {words}).{ways}") from error
    if not isinstance(found, dict):
        return {"": found}
    splits = {SPLIT_ALIASES[key.lower()]: table for key, table in found.items() if key.lower() in SPLIT_ALIASES}
    if not splits:
        raise CandelabraError(
            f"data.path={path} has the splits {', '.join(found)}; wanted are train, validation, test."
        )
    return splits


def _fetch(path: str, name: str | None) -> Any:
    import datasets
    import huggingface_hub

    if is_reachable(huggingface_hub.constants.ENDPOINT):
        return datasets.load_dataset(path, name)
    with _offline():
        return datasets.load_dataset(path, name)  # from the cache, or not at all


@contextmanager
def _offline() -> Iterator[None]:
    """Lets both libraries know that the hub does not answer: they would try for minutes."""
    import datasets
    import huggingface_hub

    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _roots(path: str) -> list[Path]:
    import datasets

    folders = [Path(path).expanduser(), Path(datasets.config.HF_CACHE_HOME)]
    return [folder.resolve() for folder in folders if folder.is_dir()]


def _feature(features: Mapping[str, Any], column: str) -> Any:
    """The feature of a column, a dot leading into it; null where there is none."""
    found: Any = features
    for part in column.split("."):
        found = getattr(found, "feature", found)
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _guess(features: Mapping[str, Any], target: str) -> str | None:
    """The column of a target; empty where several might be."""
    images = target in ("image", "mask")
    for column in _GUESSES[target]:
        feature = _feature(features, column)
        if feature is not None and (type(feature).__name__ == "Image") is images:
            return column
    kind = {"image": "Image", "label": "ClassLabel"}.get(target)
    found = [column for column, feature in features.items() if type(feature).__name__ == kind]
    if target == "label" and not found:
        found = [column for column in _OF_OBJECTS if _feature(features, column) is not None][:1]
    return found[0] if len(found) == 1 or (found and images) else "" if found else None


def _named(given: Labels, features: Mapping[str, Any], columns: Mapping[str, str]) -> Labels:
    """The words, with the names of classes that the features have."""
    feature = _feature(features, columns["label"]) if "label" in columns else None
    inner = getattr(feature, "feature", feature)
    classes = tuple(getattr(inner, "names", None) or ())
    return replace(
        given,
        classes=given.classes or classes,
        multilabel=given.multilabel or (inner is not feature and not _of_boxes(columns)),
    )


def _of_boxes(columns: Mapping[str, str]) -> bool:
    """Each box has a label, rather than each image."""
    return "." in columns.get("label", "") and columns["label"].split(".")[0] == columns.get("box", "").split(".")[0]


def _cells(tables: Any, column: str | None) -> list[Any]:
    """What a column holds in all splits; a class of -1 is none."""
    cells: list[Any] = []
    for table in tables:
        if column is None:
            cells += [None] * len(table)
            continue
        first, *rest = column.split(".")
        found = table.select_columns([first])[:][first] if len(table) else []
        for part in rest:
            found = [_inside(cell, part) for cell in found]
        cells += [None if isinstance(cell, int) and cell < 0 else cell for cell in found]
    return cells


def _inside(cell: Any, part: str) -> Any:
    if isinstance(cell, list):  # of objects
        return [each[part] for each in cell]
    return None if cell is None else cell[part]
