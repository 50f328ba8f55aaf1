"""A data set in whatever format it looks like."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from candelabra.data.readers.coco import Coco
from candelabra.data.readers.deeplabcut import DeepLabCut
from candelabra.data.readers.folder import Folder, check_is_folder, list_entries
from candelabra.data.readers.foreign_exports import recognize_export
from candelabra.data.readers.label_maps import LabelMaps
from candelabra.data.readers.masks import Masks
from candelabra.data.readers.pets import Pets
from candelabra.data.readers.pts import Pts
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader
from candelabra.data.readers.table import Table
from candelabra.data.readers.torchvision_arrays import Cifar10, Cifar100, FashionMnist, Mnist, Stl10
from candelabra.data.readers.torchvision_files import Celeba, Flowers102, Imagenet
from candelabra.data.readers.voc import Voc
from candelabra.data.readers.wflw import Wflw
from candelabra.data.readers.yolo import Yolo
from candelabra.data.samples import AmbiguousDataset, Samples
from candelabra.errors import CandelabraError
from candelabra.plugins.discovery import import_option_classes

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Auto(Reader):
    """Recognizes the format of a folder, logs it, and reads the folder with the default options of that format.

    Args:
        root: the folder.
    """

    root: str

    @cached_property
    def match(self) -> FormatMatch:
        """The format that the folder looks like; logged once.

        Raises:
            CandelabraError: see `recognize_format`.
        """
        match = recognize_format(check_is_folder(self.root))
        log.info("data.root=%s looks like data=%s (%s)", self.root, match.name, match.evidence)
        if match.reader.tier == DetectionTier.FOLDERS:
            export = recognize_export(Path(self.root).expanduser())
            if export:
                log.warning("data.root=%s is read by its folders alone: %s.", self.root, export)
        return match

    def read(self) -> Samples:
        name, evidence, reader = self.match
        try:
            return reader.read()
        except CandelabraError as error:
            words = (
                f"data.root={self.root} looks like data={name} ({evidence}), but: {error} Name the format, "
                f"data={name}, to set its options."
            )
            raise (
                AmbiguousDataset(words, error.samples)
                if isinstance(error, AmbiguousDataset)
                else CandelabraError(words)
            ) from error

    def allows_flip(self) -> bool:
        return self.match.reader.symmetric


def list_reader_classes() -> Sequence[type[Reader]]:
    """The readers whose formats `data=auto` recognizes, in the order in which matches are listed; plug-ins' last."""
    return (
        Pets,
        Cifar10,
        Cifar100,
        Mnist,
        FashionMnist,
        Stl10,
        Flowers102,
        Celeba,
        Imagenet,
        Wflw,
        DeepLabCut,
        Pts,
        Coco,
        Yolo,
        Voc,
        LabelMaps,
        Masks,
        Table,
        Folder,
        *import_option_classes("data", Reader),  # type: ignore[type-abstract]
    )


def detect_formats(root: Path) -> list[FormatMatch]:
    """The formats that a folder looks like; several where their evidence is of one tier, none where none fits."""
    for tier in sorted(DetectionTier, reverse=True):
        matches = [each.looks_like(root) for each in list_reader_classes() if each.tier == tier]
        found = [match for match in matches if match is not None]
        if found:
            return found
    return []


def recognize_format(root: Path) -> FormatMatch:
    """The one format that a folder looks like.

    Raises:
        CandelabraError: there is none, or several; the message lists the files and the formats that fit.
    """
    found = detect_formats(root)
    if len(found) == 1:
        return found[0]
    if found:
        fits = ", ".join(f"data={match.name} ({match.evidence})" for match in found)
        raise CandelabraError(f"data.root={root} may be read as {fits}; name the one that is meant.")
    export = recognize_export(root)
    hints = list_inner_formats(root)
    raise CandelabraError(
        f"data.root={root} looks like no format that is known; seen: {list_entries(root)}. One folder a class is "
        "data=folder, "
        "a CSV or Parquet file with a row an image data=table (data.file=...), images and mask files data=masks "
        "(data.images=... data.masks=...), label maps of objects data=label_maps, xml files data=voc, a json of "
        "annotations data=coco, text files in labels/ "
        "data=yolo, .pts files data=pts, CollectedData*.csv data=deeplabcut."
        + (f" {export}." if export else "")
        + (f" Of its folders, {', '.join(hints)}." if hints else "")
    )


def list_inner_formats(root: Path, most: int = 8) -> list[str]:
    """What some folders in a folder look like, of those that have one format."""
    below = [(child, detect_formats(child)) for child in sorted(root.glob("*/")) if child.is_dir()]
    return [f"data.root={child} looks like data={fits[0].name}" for child, fits in below if len(fits) == 1][:most]
