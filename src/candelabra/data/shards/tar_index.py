"""Index of tar shards (as webdataset writes them): headers are read once, members then by their offset."""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import hash_contents
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource
from candelabra.data.targets import list_file_target_classes
from candelabra.errors import CandelabraError
from candelabra.storage.atomic import replace_atomically
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.documents import load_json

INDEX_SUFFIX = ".index.parquet"  # after the name of a shard
_VERSION = 3  # of an index
_MAX_MEMBER_BYTES = 1 << 28  # a larger member is no image
_PICKLES = ("pyd", "pickle", "pkl", "pth", "pt", "npy", "npz")
_ARRAYS = {"npy", "flo"}  # of maps of numbers; read without pickles
_WORDS = ("key", "cls", "json")
_GAP = 1 << 16  # bytes between members of a sample that are cheaper read than asked for separately


@dataclass
class TarIndex:
    """Where the members of one shard lie.

    Args:
        table: of Arrow; one row a sample: key, start and size of its image and of the file of each target that lies
            in files (null where there is none), and what its .cls and .json hold.
        issues: of its members.
    """

    table: Any
    issues: list[DataIssue]


class TarShards(EncodedSource):
    """Members of tar shards, read by their place.

    Args:
        shards: addresses.
        shard: (n,) which shard a sample is in.
        images: (n, 2) where a member starts, and its size, in bytes.
        files: likewise of each target that lies in files, by its name; size 0 where a sample has none.
    """

    def __init__(
        self,
        shards: Sequence[str],
        shard: NDArray[np.int64],
        images: NDArray[np.int64],
        files: Mapping[str, NDArray[np.int64]],
    ) -> None:
        self.shards, self.shard, self.images, self.files = shards, shard, images, files
        self.near = not any(map(remote_files.is_remote, shards))

    def read(self, index: int) -> EncodedFiles:
        address = self.shards[self.shard[index]]
        places = {"image": self.images[index].tolist()}
        places |= {name: place for name, rows in self.files.items() if (place := rows[index].tolist())[1]}
        first = min(start for start, _ in places.values())
        last = max(start + size for start, size in places.values())
        if last - first > sum(size for _, size in places.values()) + _GAP:
            found = {n: remote_files.read_bytes_at(address, start, start + size) for n, (start, size) in places.items()}
        else:
            raw = remote_files.read_bytes_at(address, first, last)
            found = {name: raw[start - first : start - first + size] for name, (start, size) in places.items()}
        return EncodedFiles(found.pop("image"), found)


def load_tar_index(address: str) -> TarIndex:
    """Returns the index of a shard: from beside it or from the cache, else made by reading its headers.

    Raises:
        CandelabraError: it is missing, or no tar archive.
    """
    files = remote_files.open_filesystem(address)
    try:
        facts = files.info(address)
    except remote_files.translate_failures() as error:
        raise CandelabraError(f"The shard {address} cannot be read ({type(error).__name__}: {error}).") from error
    if remote_files.is_remote(address):
        beside = _read_tar_index(files, address + INDEX_SUFFIX, int(facts["size"] or -1))
        if beside is not None:
            return beside
    stamp = [str(facts.get(key)) for key in ("name", "size", "mtime", "ETag", "etag", "LastModified", "created")]
    folder = find_cache_folder("shards")
    kept = folder / f"{hash_contents(*stamp, _VERSION, _list_columns()).hex()}.parquet"
    index = _read_tar_index(remote_files.open_filesystem(""), str(kept), int(facts["size"] or -1))
    if index is None:
        with files.open(address, "rb") as file:
            index = scan_tar(file, address)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_tar_index(index, kept, int(facts["size"] or -1))
        except OSError:  # then it is read again the next time
            pass
    return index


def scan_tar(file: IO[bytes], name: str) -> TarIndex:
    """Reads the headers of all members, in order.

    Raises:
        CandelabraError: it is no tar archive, or a compressed one.
    """
    issues: list[DataIssue] = []
    samples: dict[str, dict[str, Any]] = {}
    columns, files = _list_columns(), _list_file_fields()
    for key, ending, start, size in _members(file, name, issues):
        kind = _classify_ending(ending, files)
        if kind == "pickle":
            issues.append(DataIssue(f"{name}/{key}.{ending}", "pickle, never read", IssueTreatment.SKIPPED))
        if kind == "key" or kind not in columns:
            continue
        row = samples.setdefault(key, dict.fromkeys(columns) | {"key": key})
        if row[kind] is not None:
            issues.append(DataIssue(f"{name}/{key}.{ending}", f"second {kind} of one key", IssueTreatment.SKIPPED))
        elif kind not in _WORDS:
            row |= {kind: start, f"{kind}_size": size}
        else:
            file.seek(start)
            row[kind] = file.read(size).decode("utf-8", "replace").strip()
    alone = [key for key, row in samples.items() if row["image"] is None]
    issues += [DataIssue(f"{name}/{key}", "key without an image", IssueTreatment.SKIPPED) for key in alone]
    return TarIndex(_table([row for row in samples.values() if row["image"] is not None]), issues)


def _table(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    schema = pa.schema([(column, pa.string() if column in _WORDS else pa.int64()) for column in _list_columns()])
    return pa.Table.from_pylist(rows, schema)


def _members(file: IO[bytes], name: str, issues: list[DataIssue]) -> Iterator[tuple[str, str, int, int]]:
    """Key, ending, start and size of each file; where the archive is damaged, of those before."""
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the caller closes the file
    except (tarfile.TarError, EOFError) as error:
        raise CandelabraError(
            f"The shard {name} is no tar archive, or a compressed one, which cannot be read by place ({error})."
        ) from error
    total, last = file.seek(0, os.SEEK_END), -1
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            issues.append(
                DataIssue(name, "shard is cut off or damaged, its rest is lost", IssueTreatment.SKIPPED, str(error))
            )
            return
        tar.members = []  # type: ignore[attr-defined] # tarfile keeps all members otherwise
        if member is None:  # also at a damaged header, where tarfile ends silently
            file.seek(tar.offset)
            if any(file.read(tarfile.BLOCKSIZE)):
                issues.append(DataIssue(name, "shard is cut off or damaged, its rest is lost", IssueTreatment.SKIPPED))
            return
        start, size = member.offset_data, member.size
        if member.offset <= last or size < 0 or start + size > total:
            issues.append(
                DataIssue(name, "shard is cut off or damaged, its rest is lost", IssueTreatment.SKIPPED, member.name)
            )
            return
        last = member.offset
        if _is_usable(member, name, issues):
            folder, _, base = member.name.removeprefix("./").rpartition("/")
            stem, _, ending = base.partition(".")
            yield (f"{folder}/{stem}" if folder else stem), ending.lower(), start, size


def _is_usable(member: tarfile.TarInfo, name: str, issues: list[DataIssue]) -> bool:
    parts = member.name.split("/")
    if member.isdir() or parts[-1].startswith("."):
        return False
    if member.name.startswith("/") or ".." in parts:  # nothing is ever unpacked; but names go on to tables
        odd = "name leads out of the archive"
    elif not member.isreg() or member.issparse():
        odd = "member is no plain file"
    elif member.size > _MAX_MEMBER_BYTES:
        odd = "member is too large for an image"
    else:
        return True
    issues.append(DataIssue(f"{name}/{member.name}", odd, IssueTreatment.SKIPPED))
    return False


def _list_columns() -> list[str]:
    places = [column for name in ("image", *list_file_target_classes()) for column in (name, f"{name}_size")]
    return ["key", *places, "cls", "json"]


def _list_file_fields() -> dict[str, str]:
    """For the first word of a member's ending, the target whose file it is."""
    return {field: name for name, kind in list_file_target_classes().items() for field in (name, *kind.fields)}


def _classify_ending(ending: str, files: Mapping[str, str]) -> str:
    """What a member is: image, the name of a target, pickle, or the ending itself."""
    words = ending.split(".")
    if f".{words[-1]}" in IMAGE_SUFFIXES:
        return files.get(words[0], "image")
    if words[-1] in _ARRAYS and words[0] in files:
        return files[words[0]]
    if words[-1] in _PICKLES:
        return "pickle"
    return ending if ending in _WORDS else ""


def write_tar_index(index: TarIndex, path: Path, size: int) -> None:
    """Writes an index, with the bytes of its shard: a shard of another size needs a new one."""
    from pyarrow import parquet

    header = json.dumps({"version": _VERSION, "size": size, "issues": index.issues})
    with replace_atomically(path) as temporary:
        parquet.write_table(index.table.replace_schema_metadata({"candelabra": header}), temporary)


def _read_tar_index(files: Any, address: str, size: int) -> TarIndex | None:
    """Reads an index; returns None where there is none, or one of another format or of a shard of another size."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with files.open(address, "rb") as file:
            table = parquet.read_table(file)
        header = load_json(table.schema.metadata[b"candelabra"])
        columns = _list_columns()  # an index that was made with more targets holds more of them
        if (header["version"], header["size"]) != (_VERSION, size) or set(columns) - set(table.column_names):
            return None
        odd = [
            DataIssue(name, what, IssueTreatment(treatment), detail)
            for name, what, treatment, detail in header["issues"]
        ]
        return TarIndex(table.select(columns).replace_schema_metadata(), odd)
    except remote_files.translate_failures(pa.ArrowException, KeyError, ValueError, TypeError):
        return None
