"""One sample as it is written: encoded files, and labels in words."""

import io
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import IMAGE_SUFFIXES, UnreadableFile, read_image_size
from candelabra.data.samples import Samples
from candelabra.types import IGNORED, UNLABELLED, Labels

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
    """One sample; what it lacks is null.

    Args:
        name: of the sample.
        split: train, val or test.
        image: the file as it was found, or a PNG of what was drawn.
        ending: of the image's file name, with its dot.
        mask: a PNG of class indices, 255 where not labelled.
        label: the name of its class, or a list of them.
        box: XYXY in pixels.
        keypoints: [x, y] in pixels for each point, or null.
    """

    name: str
    split: str
    image: bytes
    ending: str
    mask: bytes | None = None
    label: str | list[str] | None = None
    box: list[float] | None = None
    keypoints: list[list[float] | None] | None = None

    def said(self) -> dict[str, Any]:
        """What a JSON beside the image says."""
        return {key: getattr(self, key) for key in ("name", "label", "box", "keypoints")}


class DatasetEntries(Dataset[DatasetEntry | str]):
    """Samples as entries; for one that cannot be read, why.

    Args:
        samples: whose.
        places: split and index of each.
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
    """One sample, decoded once to be sure that it can be.

    Raises:
        Unreadable: it cannot be.
    """
    name, labels, sample = samples.names[index], samples.labels, samples[index]
    found = samples.original(index)
    if found is not None and read_image_size(RawBytes(found, name)) != tuple(sample["image"].shape[:0:-1]):
        found = None  # too large to be decoded whole: labels are those of what was read
    image = encode_png(sample["image"].permute(1, 2, 0)) if found is None else found
    mask = sample.get("mask")
    box = sample["box"][0].tolist() if "box" in sample else None
    return DatasetEntry(
        name,
        split,
        image,
        ".png" if found is None else _ending(name, image),
        None if mask is None or bool((mask == IGNORED).all()) else encode_png(mask),
        _label(sample["label"], labels) if "label" in sample else None,
        None if box is None or any(value != value for value in box) else box,
        _points(sample["keypoints"]) if "keypoints" in sample else None,
    )


def encode_png(pixels: Tensor) -> bytes:
    """(H, W, 3) or (H, W) uint8 -> a PNG file."""
    made = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(made, "PNG")
    return made.getvalue()


def _ending(name: str, image: bytes) -> str:
    named = PurePosixPath(name).suffix.lower()
    if named in IMAGE_SUFFIXES:
        return named
    with Image.open(io.BytesIO(image)) as opened:
        return _ENDINGS.get(opened.format or "", ".img")


def _label(label: Tensor, labels: Labels) -> str | list[str] | None:
    if not labels.multilabel:
        return None if int(label) == UNLABELLED else labels.classes[int(label)]
    return None if label.isnan().any() else [labels.classes[i] for i in label.nonzero().flatten().tolist()]


def _points(points: Tensor) -> list[list[float] | None] | None:
    rows = [None if any(value != value for value in point) else point for point in points.tolist()]
    return rows if any(rows) else None
