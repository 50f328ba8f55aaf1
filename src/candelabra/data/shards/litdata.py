"""Folders that litdata has optimized, by index: on a disk, or behind an address, whose chunks are fetched and kept."""

import io
import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import DataIssue
from candelabra.data.labels_json import merge_label_options
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.sampling.train_order import TrainOrder
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource, make_encoded_samples
from candelabra.data.shards.label_columns import LabelColumns, parse_metadata, pick_field
from candelabra.data.shards.shuffle_window import WindowedOrder, check_window
from candelabra.errors import CandelabraError, list_nearest
from candelabra.storage.cache_folder import find_cache_folder

CHUNK_ROWS = "rows.parquet"  # beside the chunks of a split: what each item says of itself
_FIELDS = {
    "image": ["image"],
    "mask": ["mask"],
    "label": ["label", "class"],
    "box": ["box", "bbox"],
    "keypoints": ["keypoints"],
    "name": ["name"],
}
_SAFE = (
    "str",
    "int",
    "float",
    "bool",
    "bytes",
    "jpeg",
    "pil",
    "numpy",
    "no_header_numpy",
    "tensor",
    "no_header_tensor",
)
_DAMAGES = (struct.error, ValueError, TypeError, LookupError, RuntimeError, AttributeError, OverflowError, MemoryError)


@dataclass(kw_only=True, eq=False)
class LitData(DataModule):
    """Items with an image (a file's bytes, JPEG or PIL) and any of label, box, keypoints, mask and record (JSON).

    Items are read by index. Where no table of records lies beside the chunks, as `candelabra convert` writes one, all
    items are read once for their labels. Items that litdata keeps as pickles are refused.

    Args:
        root: the folder, or its address: with an index.json, or with train, val and test, each of which has one.
        fields: other names of what items have, such as {image: jpg, label: fine_label}.
        words: what labels.json says, where there is none: {classes: [cat, dog], mask_classes: [...], ...}.
        window: chunks that are read at a time: their images are shuffled, windows come one after another; null
            shuffles all images, which reads any chunk at any time.
        gigabytes: of fetched chunks that are kept on disk, by each process (10^9 bytes each).
    """

    root: str
    fields: Mapping[str, str] | None = None
    words: Mapping[str, Any] | None = None
    window: int | None = None
    gigabytes: float = 50.0

    def read(self) -> Samples:
        require_litdata()
        check_window(self.window, self.sampler)
        unknown = set(self.fields or {}) - set(_FIELDS)
        if unknown:
            raise CandelabraError(
                f"data.fields names {min(unknown)}; allowed are {list_nearest(min(unknown), _FIELDS)}."
            )
        fields = {**_FIELDS, **{target: [name] for target, name in (self.fields or {}).items()}}
        folders = [folder for name in ("", *SPLIT_ALIASES) if (folder := self._folder(name))]
        if not folders:
            raise CandelabraError(
                f"data.root={self.root} has no index.json, nor has train, val or test below it; litdata.optimize or "
                "candelabra convert writer=litdata write such folders."
            )
        ends = np.cumsum([0, *(len(folder.chunk) for folder in folders)])
        source = LitDataChunks(folders, ends, fields, self.gigabytes)
        self.chunk = np.concatenate([(number << 32) + folder.chunk for number, folder in enumerate(folders)])
        columns, masked = _columns(folders, source, fields)
        published = np.repeat(np.array([folder.split for folder in folders], "<U5"), np.diff(ends))
        return make_encoded_samples(
            source, columns, published, masked, merge_label_options(_plain(self.root), self.words)
        )

    def order(self, samples: Samples) -> TrainOrder:
        if self.window is None:
            return super().order(samples)
        _, chunk = np.unique(self.chunk[self.parts["train"]], return_inverse=True)
        return WindowedOrder(chunk, self.window, self.seed)

    def _folder(self, name: str) -> "LitDataFolder | None":
        address = remote_files.join_inside(self.root, name) if name else self.root
        where = remote_files.join_inside(_plain(address), "index.json")
        found = remote_files.read_text_at(where)
        if found is None:
            return None
        chunk, sizes = _chunks(found, where)
        place = Path(address)
        cut = {at for at, (file, size) in enumerate(sizes) if place.is_dir() and _length(place / file) < size}
        return LitDataFolder(address, SPLIT_ALIASES.get(name, ""), chunk, frozenset(cut))


class LitDataFolder(NamedTuple):
    """One optimized folder.

    Args:
        address: of the folder.
        split: train, val, test or "".
        chunk: (n,) which chunk an item is in.
        cut: chunks on this disk that are shorter than they should be; litdata would wait for their ends.
    """

    address: str
    split: str
    chunk: NDArray[np.int64]
    cut: frozenset[int]


class LitDataChunks(EncodedSource):
    """Items of optimized folders; litdata fetches and keeps the chunks of distant ones.

    Args:
        folders: of all splits.
        ends: (folders + 1,) where the items of each begin, among all.
        fields: names that a field may have.
        gigabytes: of chunks that are kept.
    """

    def __init__(
        self,
        folders: Sequence[LitDataFolder],
        ends: NDArray[np.int64],
        fields: Mapping[str, Sequence[str]],
        gigabytes: float,
    ) -> None:
        self.folders, self.ends, self.fields, self.gigabytes = folders, ends, fields, gigabytes
        self.near = not any(remote_files.is_remote(folder.address) for folder in folders)
        self.opened: dict[tuple[int, int], Any] = {}  # by process: files and threads do not survive a fork

    def item(self, index: int) -> dict[str, Any]:
        """All fields of one item.

        Raises:
            Unreadable: its chunk cannot be read.
        """
        number = int(np.searchsorted(self.ends, index, side="right")) - 1
        address, _, chunk, cut = self.folders[number]
        if int(chunk[index - int(self.ends[number])]) in cut:
            raise UnreadableFile(f"Item {index} of {address} cannot be read: its chunk is missing or cut off.")
        try:
            key = (os.getpid(), number)
            if key not in self.opened:
                self.opened[key] = _open(address, self.gigabytes)
            item = self.opened[key][index - int(self.ends[number])]
        except remote_files.translate_failures(*_DAMAGES) as error:
            words = " ".join(str(error).split())[:200]
            raise UnreadableFile(
                f"Item {index} of {address} cannot be read ({type(error).__name__}: {words})."
            ) from error
        if not isinstance(item, dict):
            raise UnreadableFile(f"Item {index} of {address} is no mapping with an image.")
        return item

    def read(self, index: int) -> EncodedFiles:
        item = self.item(index)
        image, mask = (_file(pick_field(item, self.fields[field])) for field in ("image", "mask"))
        if image is None:
            raise UnreadableFile(
                f"Item {index} has no image; its fields are {', '.join(item)} (data.fields={{image: ...}})."
            )
        return EncodedFiles(image, mask)


def _columns(
    folders: Sequence[LitDataFolder], source: LitDataChunks, fields: Mapping[str, Sequence[str]]
) -> tuple[LabelColumns, NDArray[np.bool_]]:
    """Labels as they are noted beside the chunks, else from all items; and which have a mask."""
    from tqdm import tqdm

    issues: list[DataIssue] = []
    rows: list[dict[str, Any]] = []
    masked: list[bool] = []
    for number, folder in enumerate(folders):
        noted = _noted(remote_files.join_inside(_plain(folder.address), CHUNK_ROWS), len(folder.chunk))
        for place in tqdm(range(len(folder.chunk)), "items", leave=False, delay=3, disable=noted is not None):
            index = int(source.ends[number]) + place
            if noted is not None:
                item: dict[str, Any] = {"record": noted[place][0]}
                has_mask = noted[place][1]
            else:
                item = _item(source, index)
                has_mask = _file(pick_field(item, fields["mask"])) is not None
            rows.append({**item, **parse_metadata(item.get("record"), str(index), issues)})
            rows[-1] = {
                field: _value(pick_field(rows[-1], fields[field])) for field in ("name", "label", "box", "keypoints")
            }
            masked.append(has_mask)
    names = [str(index) if row["name"] is None else str(row["name"]) for index, row in enumerate(rows)]
    label, box, points = ([row[field] for row in rows] for field in ("label", "box", "keypoints"))
    return LabelColumns(names, label, box, points, issues), np.array(masked, bool)


def _item(source: LitDataChunks, index: int) -> dict[str, Any]:
    try:
        return source.item(index)
    except UnreadableFile:  # `verify` finds it
        return {}


def _value(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell


def _file(value: Any) -> bytes | None:
    """The bytes of an encoded image; what litdata has decoded is a PNG again."""
    if isinstance(value, np.ndarray | Tensor):
        array = np.asarray(value)
        value = Image.fromarray(array) if array.dtype == np.uint8 and array.ndim in (2, 3) else None
    if isinstance(value, Image.Image):
        made = io.BytesIO()
        value.save(made, "PNG", compress_level=0)
        return made.getvalue()
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) and len(value) else None


def _noted(address: str, count: int) -> list[tuple[str, bool]] | None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with remote_files.open_filesystem(address).open(address, "rb") as file:
            table = parquet.read_table(file, columns=["record", "masked"])
    except remote_files.translate_failures(pa.ArrowException, KeyError, ValueError):
        return None
    cells = list(zip(table["record"].to_pylist(), table["masked"].to_pylist(), strict=True))
    return cells if len(cells) == count else None


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _chunks(index: str, where: str) -> tuple[NDArray[np.int64], list[tuple[str, int]]]:
    """(n,) which chunk an item is in; and the names and bytes of the chunks.

    Raises:
        CandelabraError: items cannot be read, or hold pickles.
    """
    try:
        told = json.loads(index)
        config, sizes = told["config"], [int(chunk["chunk_size"]) for chunk in told["chunks"]]
        files = [
            (Path(chunk["filename"]).name, 0 if config.get("compression") else int(chunk["chunk_bytes"]))
            for chunk in told["chunks"]
        ]
        kinds = [str(kind).split(":")[0] for kind in config["data_format"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CandelabraError(f"{where} is no index of litdata's ({type(error).__name__}: {error}).") from error
    if "pickle" in kinds:
        raise CandelabraError(f"{where} lists items that are pickles, which are never read; optimize plain ones.")
    strange = [kind for kind in kinds if kind not in _SAFE]
    if strange or config.get("encryption") or config.get("item_loader") not in ("PyTreeLoader", None):
        found = strange[0] if strange else f"{config.get('item_loader')}, encryption {config.get('encryption')}"
        raise CandelabraError(f"{where} lists items of kind {found}; read are {', '.join(_SAFE)}, not encrypted.")
    return np.repeat(np.arange(len(sizes)), sizes), files


def _plain(address: str) -> str:
    """An address without the prefix by which litdata copies a disk's chunks."""
    return address.removeprefix("local:")


def _open(address: str, gigabytes: float) -> Any:
    require_litdata()
    from litdata import StreamingDataset
    from litdata.streaming.serializers import BytesSerializer

    folder = find_cache_folder("chunks")
    return StreamingDataset(
        address,
        cache_dir=str(folder) if ":" in address else None,
        max_cache_size=int(gigabytes * 10**9),
        serializers={"jpeg": BytesSerializer()},  # as it was found: we decode
    )


def require_litdata() -> None:
    """Refuses where litdata is not installed.

    Raises:
        CandelabraError: it is not.
    """
    from importlib.util import find_spec

    os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")  # or it asks a registry
    if find_spec("litdata") is None:
        raise CandelabraError("litdata is not installed; pip install 'candelabra[litdata]'.")
