"""Tar shards, as webdataset writes and reads them, by index: on a disk, or behind an address."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from candelabra.data.decoding import remote_files
from candelabra.data.issues import DataIssue
from candelabra.data.labels_json import merge_label_options
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples, ShardWindows
from candelabra.data.sampling.shuffle_window import check_window
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.shards.encoded_samples import make_encoded_samples
from candelabra.data.shards.label_columns import parse_metadata, pick_field, record_fields
from candelabra.data.shards.tar_index import TarShards, load_tar_index
from candelabra.data.targets import LabelTarget, list_file_target_classes
from candelabra.environment import require_package
from candelabra.errors import CandelabraError

_THREADS = 8  # that read the headers of shards


@dataclass(frozen=True, kw_only=True)
class WebDataset(Reader):
    """Shards of members <key>.jpg (or any image), and <key>.cls, <key>.json, <key>.mask.png, each optional.

    Each target that lies in files is read from members <key>.<name>.png, maps of numbers also from .npy and .flo.

    Headers are read once, and their places kept in the cache; a sample is then one read of a part of a shard, on any
    disk or by any protocol that fsspec knows. No member is unpacked, no pickle is read. labels.json beside the shards
    says what numbers mean.

    Args:
        root: the folder of the shards, or its address (https://..., s3://...).
        shards: below root, as names, ranges ({000..009}) or globs: one, a list, or {train: ..., val: ...}; null
            takes `*.tar`. The split is the key, else the first word of the name (train-000.tar).
        fields: other names in <key>.json, such as {box: bbox}; boxes are XYXY in pixels.
        words: what labels.json says, where there is none: {classes: [cat, dog], mask_classes: [...]}.
        window: shards that are read at a time: their images are shuffled, windows come one after another; null
            shuffles all images, which reads any shard at any time.
    """

    root: str
    shards: str | Sequence[str] | Mapping[str, str] | None = None
    fields: Mapping[str, str] | None = None
    words: Mapping[str, Any] | None = None
    window: int | None = None

    def read(self) -> Samples:
        require_package("pyarrow", "data=webdataset")
        import pyarrow as pa

        check_window(self.window)
        fields = {target: [name] for target, name in (self.fields or {}).items()}
        known = record_fields()
        if set(fields) - set(known):
            raise CandelabraError(f"data.fields={self.fields} must have keys among {', '.join(known)}.")
        found = self._find_shards()
        given = merge_label_options(self.root, self.words)
        with ThreadPoolExecutor(_THREADS) as pool:
            indices = list(
                tqdm(pool.map(load_tar_index, [each for each, _ in found]), "shards", len(found), delay=2, leave=False)
            )
        table = pa.concat_tables([index.table for index in indices])
        shard = np.repeat(np.arange(len(found)), [len(index.table) for index in indices])
        issues = [issue for index in indices for issue in index.issues]
        names, cells = _read_cells(table, {**known, **fields}, issues)
        files = {name: _places(table, name) for name in list_file_target_classes()}
        return make_encoded_samples(
            TarShards([each for each, _ in found], shard, _places(table, "image"), files),
            names,
            np.array([split for _, split in found], "<U5")[shard],
            cells,
            {name: table[name].is_valid().to_numpy() for name in files},
            given,
            issues,
            None if self.window is None else ShardWindows(shard, self.window),
        )

    def _find_shards(self) -> list[tuple[str, str]]:
        """Each shard and its split."""
        if isinstance(self.shards, Mapping):
            for split in self.shards:
                if split not in SPLIT_ALIASES:
                    raise CandelabraError(f"data.shards has the split {split!r}; allowed are train, val and test.")
            given = [(SPLIT_ALIASES[split], [pattern]) for split, pattern in self.shards.items()]
        else:
            given = [("", [self.shards] if isinstance(self.shards, str) else list(self.shards or ["*.tar"]))]
        found = [(each, split) for split, patterns in given for each in remote_files.find_remote(self.root, patterns)]
        if not found:
            raise CandelabraError(
                f"data.root={self.root} has no shard {self.shards or '*.tar'}; name them with "
                "data.shards='train-{000..009}.tar', below data.root."
            )
        return [(each, split or split_from_shard_name(each)) for each, split in found]


def split_from_shard_name(address: str) -> str:
    """The split that the name of a shard begins with.

    >>> split_from_shard_name("s3://bucket/cats/train-0001.tar"), split_from_shard_name("cats-01.tar")
    ('train', '')
    >>> split_from_shard_name("valid_0.tar")
    'val'
    """
    first = re.split(r"[^a-z]", PurePosixPath(address).name.lower())[0]
    return SPLIT_ALIASES.get(first, "")


def _places(table: Any, kind: str) -> NDArray[np.int64]:
    """(n, 2) start and size of members; 0 and 0 where there is none."""
    cells = [table[column].fill_null(0).to_numpy() for column in (kind, f"{kind}_size")]
    return np.stack(cells, axis=1).astype(np.int64)


def _read_cells(
    table: Any, fields: Mapping[str, Sequence[str]], issues: list[DataIssue]
) -> tuple[list[str], dict[str, list[Any]]]:
    """Names of the samples, and what .cls and .json say of each target."""
    cells: dict[str, list[Any]] = {field: [] for field in fields}
    for key, number, text in zip(*(table[each].to_pylist() for each in ("key", "cls", "json")), strict=True):
        row = parse_metadata(text, f"{key}.json", issues)
        for field, names in fields.items():
            cells[field].append(pick_field(row, names))
        if cells[LabelTarget.name][-1] is None:
            cells[LabelTarget.name][-1] = int(number) if re.fullmatch(r"-?\d+", number or "") else number or None
        cells["name"][-1] = str(cells["name"][-1] or key)
    return cells.pop("name"), cells
