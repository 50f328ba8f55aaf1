"""Encode samples for writing: image and target files, and labels as JSON values."""

import io
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import IMAGE_SUFFIXES, UnreadableFile, read_image_size
from candelabra.data.samples import Samples

_ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "PPM": ".ppm",
}


class DatasetEntry(NamedTuple):
    """One encoded sample.

    Args:
        name: of the sample.
        split: train, val or test.
        image: the original file, or a PNG of the decoded image.
        ending: of the image's file name, with its dot.
        records: of each target that JSON holds, its value; see `Target.to_json`.
        files: of each target that lies in a file of its own, its bytes; see `Target.to_file`.
    """

    name: str
    split: str
    image: bytes
    ending: str
    records: Mapping[str, Any] = {}
    files: Mapping[str, bytes] = {}

    def to_record(self) -> dict[str, Any]:
        """Return the name and the labels as JSON values."""
        return {"name": self.name, **self.records}


class DatasetEntries(Dataset[DatasetEntry | str]):
    """A data set of encoded samples; an unreadable sample yields the error message.

    Args:
        samples: to encode.
        places: split and index of each entry.
    """

    def __init__(self, samples: Samples, places: Sequence[tuple[str, int]]) -> None:
        self.samples, self.places = samples, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> DatasetEntry | str:
        split, index = self.places[number]
        try:
            return make_entry(self.samples, index, split)
        except UnreadableFile as error:
            return str(error)


def make_entry(samples: Samples, index: int, split: str) -> DatasetEntry:
    """Encode one sample; it is decoded once to make sure that it is readable.

    Raises:
        UnreadableFile: it cannot be decoded.
    """
    name, labels, sample = samples.names[index], samples.labels, samples[index]
    found = samples.original(index)
    if found is not None and read_image_size(RawBytes(found, name)) != tuple(sample["image"].shape[:0:-1]):
        found = None  # was reduced on decoding; the labels fit the reduced image only
    image = encode_png(sample["image"].permute(1, 2, 0)) if found is None else found
    values = {n: target.unwrap(cast(Tensor, sample[n])) for n, target in labels.items() if n in sample}
    files = {name: labels[name].to_file(value) for name, value in values.items()}
    return DatasetEntry(
        name,
        split,
        image,
        ".png" if found is None else _choose_suffix(name, image),
        {name: labels[name].to_json(value) for name, value in values.items()},
        {name: file for name, file in files.items() if file is not None},
    )


def encode_png(pixels: Tensor) -> bytes:
    """Encode pixels (H, W, 3) or (H, W), uint8, as PNG."""
    made = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(made, "PNG")
    return made.getvalue()


def _choose_suffix(name: str, image: bytes) -> str:
    named = PurePosixPath(name).suffix.lower()
    if named in IMAGE_SUFFIXES:
        return named
    with Image.open(io.BytesIO(image)) as opened:
        return _ENDINGS.get(opened.format or "", ".img")
