"""Write tar shards, for `data=webdataset` and the webdataset library."""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

from candelabra.data.shards.tar_index import INDEX_SUFFIX, scan_tar, write_tar_index
from candelabra.data.targets import Labels, LabelTarget
from candelabra.data.writers.entry import DatasetEntry
from candelabra.data.writers.writer import DatasetWriter
from candelabra.environment import require_package
from candelabra.errors import CandelabraError

_MEGA = 10**6


class WebDatasetWriter(DatasetWriter):
    """<split>-000000.tar, ... of members <key>.jpg (or what the image is), <key>.json, <key>.cls and <key>.mask.png.

    Each shard has an index file, so that a remote shard need not be scanned.

    Args:
        megabytes: size from which a shard is closed (10^6 bytes).
    """

    reader = "webdataset"
    shuffled = True

    def __init__(self, megabytes: float = 256.0) -> None:
        if megabytes <= 0:
            raise CandelabraError(f"writer.megabytes={megabytes} must be above 0.")
        self.megabytes = megabytes

    def check(self, labels: Labels) -> None:
        require_package("pyarrow", "to=webdataset")

    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        for split, group in groupby(enumerate(entries), key=lambda each: each[1].split):
            for shard, first in enumerate(group):
                path = folder / f"{split}-{shard:06}.tar"
                self._fill(path, labels, chain([first], group))  # noqa: B031 - what is left of it
                with path.open("rb") as file:
                    write_tar_index(
                        scan_tar(file, path.name), path.with_name(path.name + INDEX_SUFFIX), path.stat().st_size
                    )

    def _fill(self, path: Path, labels: Labels, entries: Iterator[tuple[int, DatasetEntry]]) -> None:
        """Write entries until the shard reaches its size or no entry is left."""
        with tarfile.open(path, "w") as tar:
            for number, entry in entries:
                _add(tar, entry, labels, number)
                if tar.offset >= self.megabytes * _MEGA:
                    return


def _add(tar: tarfile.TarFile, entry: DatasetEntry, labels: Labels, number: int) -> None:
    members = {entry.ending: entry.image, ".json": json.dumps(entry.to_record(), ensure_ascii=False).encode()}
    label = entry.records.get(LabelTarget.name)
    if isinstance(label, str):
        members[".cls"] = str(labels[LabelTarget].classes.index(label)).encode()
    members |= {f".{name}{labels[name].file_suffix}": content for name, content in entry.files.items()}
    for ending, content in members.items():
        member = tarfile.TarInfo(f"{number:08}{ending}")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
