"""Folders that litdata has optimized, by index: on a disk, or behind an address, whose chunks are fetched and kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra.data.labels_json import merge_label_options
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples, ShardWindows
from candelabra.data.sampling.shuffle_window import check_window
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.shards.encoded_samples import make_encoded_samples
from candelabra.data.shards.label_columns import record_fields
from candelabra.data.shards.litdata_chunks import LitDataChunks, require_litdata
from candelabra.data.shards.litdata_index import number_chunks, open_litdata_folder, strip_local_prefix
from candelabra.data.shards.litdata_labels import read_litdata_cells
from candelabra.errors import CandelabraError, list_nearest


@dataclass(frozen=True, kw_only=True)
class LitData(Reader):
    """Items with an image (a file's bytes, JPEG or PIL) and any target (label, box, mask, ...) and record (JSON).

    Items are read by index. Where no table of records lies beside the chunks, as `candelabra convert` writes one, all
    items are read once for their labels. Items that litdata keeps as pickles are refused.

    Args:
        root: the folder, or its address: with an index.json, or with train, val and test, each of which has one.
        fields: other names of what items have, such as {image: jpg, label: fine_label}.
        words: what labels.json says, where there is none: {classes: [cat, dog], mask_classes: [...]}.
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
        check_window(self.window)
        known = {"image": ["image"], **record_fields()}
        unknown = set(self.fields or {}) - set(known)
        if unknown:
            raise CandelabraError(f"data.fields names {min(unknown)}; allowed are {list_nearest(min(unknown), known)}.")
        fields = {**known, **{target: [name] for target, name in (self.fields or {}).items()}}
        folders = [folder for name in ("", *SPLIT_ALIASES) if (folder := open_litdata_folder(self.root, name))]
        if not folders:
            raise CandelabraError(
                f"data.root={self.root} has no index.json, nor has train, val or test below it; litdata.optimize or "
                "candelabra convert to=litdata write such folders."
            )
        ends = np.cumsum([0, *(len(folder.chunk) for folder in folders)])
        source = LitDataChunks(folders, ends, fields, self.gigabytes)
        names, cells, present, issues = read_litdata_cells(folders, source, fields)
        published = np.repeat(np.array([folder.split for folder in folders], "<U5"), np.diff(ends))
        given = merge_label_options(strip_local_prefix(self.root), self.words)
        windows = None if self.window is None else ShardWindows(number_chunks(folders), self.window)
        return make_encoded_samples(source, names, published, cells, present, given, issues, windows)
