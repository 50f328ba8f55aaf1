"""The index.json of a folder that litdata has optimized: which items lie in which chunk."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding import remote_files
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError

_READABLE_TYPES = (
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


def open_litdata_folder(root: str, name: str) -> LitDataFolder | None:
    """Reads the index of one split; returns None where there is none.

    Args:
        root: address of the data set.
        name: of the split's folder below it; empty for the root itself.

    Raises:
        CandelabraError: the index cannot be read, or lists items that are never read.
    """
    address = remote_files.join_inside(root, name) if name else root
    where = remote_files.join_inside(strip_local_prefix(address), "index.json")
    index = remote_files.read_text_at(where)
    if index is None:
        return None
    chunk, files = parse_litdata_index(index, where)
    place = Path(address)
    cut = {at for at, (file, size) in enumerate(files) if place.is_dir() and _measure_file(place / file) < size}
    return LitDataFolder(address, SPLIT_ALIASES.get(name, ""), chunk, frozenset(cut))


def parse_litdata_index(index: str, where: str) -> tuple[NDArray[np.int64], list[tuple[str, int]]]:
    """Parses the index.json of an optimized folder.

    Args:
        index: its text.
        where: its address, for errors.

    Returns:
        (n,) the chunk of each item; and the file name and bytes of each chunk, 0 bytes where it is compressed.

    Raises:
        CandelabraError: it is no such index, or its items cannot be read without unpickling or decryption.
    """
    try:
        content = json.loads(index)
        config, sizes = content["config"], [int(chunk["chunk_size"]) for chunk in content["chunks"]]
        files = [
            (Path(chunk["filename"]).name, 0 if config.get("compression") else int(chunk["chunk_bytes"]))
            for chunk in content["chunks"]
        ]
        kinds = [str(kind).split(":")[0] for kind in config["data_format"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CandelabraError(f"{where} is no index of litdata's ({type(error).__name__}: {error}).") from error
    if "pickle" in kinds:
        raise CandelabraError(f"{where} lists items that are pickles, which are never read; optimize plain ones.")
    strange = [kind for kind in kinds if kind not in _READABLE_TYPES]
    if strange or config.get("encryption") or config.get("item_loader") not in ("PyTreeLoader", None):
        found = strange[0] if strange else f"{config.get('item_loader')}, encryption {config.get('encryption')}"
        raise CandelabraError(
            f"{where} lists items of kind {found}; read are {', '.join(_READABLE_TYPES)}, not encrypted."
        )
    return np.repeat(np.arange(len(sizes)), sizes), files


def strip_local_prefix(address: str) -> str:
    """Removes the prefix `local:`, by which litdata is asked to copy the chunks of a disk."""
    return address.removeprefix("local:")


def _measure_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def number_chunks(folders: Sequence[LitDataFolder]) -> NDArray[np.int64]:
    """(n,) int64, the chunk of each item, numbered over all folders."""
    apart = np.concatenate([(number << 32) + folder.chunk for number, folder in enumerate(folders)])
    numbers: NDArray[np.int64] = np.unique(apart, return_inverse=True)[1]
    return numbers
