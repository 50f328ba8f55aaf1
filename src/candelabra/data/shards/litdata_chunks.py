"""Items of litdata's chunks, by index; litdata fetches chunks that are not on this disk and evicts them."""

import io
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.shards.encoded_samples import EncodedFiles, EncodedSource
from candelabra.data.shards.label_columns import pick_field
from candelabra.data.shards.litdata_index import LitDataFolder
from candelabra.data.targets import list_file_target_classes
from candelabra.environment import require_package
from candelabra.storage.cache_folder import find_cache_folder

_DAMAGE_ERRORS = (
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    AttributeError,
    OverflowError,
    MemoryError,
)


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
            UnreadableFile: its chunk cannot be read.
        """
        number = int(np.searchsorted(self.ends, index, side="right")) - 1
        address, _, chunk, cut = self.folders[number]
        if int(chunk[index - int(self.ends[number])]) in cut:  # litdata would wait 2 s for each item of it
            raise UnreadableFile(f"Item {index} of {address} cannot be read: its chunk is missing or cut off.")
        try:
            key = (os.getpid(), number)
            if key not in self.opened:
                self.opened[key] = _open_dataset(address, self.gigabytes)
            item = self.opened[key][index - int(self.ends[number])]
        except remote_files.translate_failures(*_DAMAGE_ERRORS) as error:
            words = " ".join(str(error).split())[:200]
            raise UnreadableFile(
                f"Item {index} of {address} cannot be read ({type(error).__name__}: {words})."
            ) from error
        if not isinstance(item, dict):
            raise UnreadableFile(f"Item {index} of {address} is no mapping with an image.")
        return item

    def read(self, index: int) -> EncodedFiles:
        item = self.item(index)
        image = encode_image_field(pick_field(item, self.fields["image"]))
        if image is None:
            raise UnreadableFile(
                f"Item {index} has no image; its fields are {', '.join(item)} (data.fields={{image: ...}})."
            )
        return EncodedFiles(image, read_file_fields(item, self.fields))


def read_file_fields(item: Mapping[str, Any], fields: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """The files of an item, by the names of their targets.

    Args:
        item: of a chunk.
        fields: names that each target may have there.
    """
    found = {name: encode_image_field(pick_field(item, fields[name])) for name in list_file_target_classes()}
    return {name: file for name, file in found.items() if file is not None}


def encode_image_field(value: Any) -> bytes | None:
    """Returns the bytes of an image field, or None where it has none; encodes what litdata has decoded as a PNG."""
    if isinstance(value, np.ndarray | Tensor):
        array = np.asarray(value)
        value = Image.fromarray(array) if array.dtype == np.uint8 and array.ndim in (2, 3) else None
    if isinstance(value, Image.Image):
        made = io.BytesIO()
        value.save(made, "PNG", compress_level=0)
        return made.getvalue()
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) and len(value) else None


def require_litdata() -> None:
    """Refuses where litdata is not installed.

    Raises:
        CandelabraError: it is not.
    """
    os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")  # it asks PyPI otherwise
    for package in ("litdata", "pyarrow"):
        require_package(package, "A folder of litdata")


def _open_dataset(address: str, gigabytes: float) -> Any:
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
