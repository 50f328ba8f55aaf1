"""A data set in whatever format it looks like."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from candelabra.data.loading.datamodule import DataModule
from candelabra.data.readers import torchvision_arrays, torchvision_files
from candelabra.data.readers.coco import Coco
from candelabra.data.readers.deeplabcut import DeepLabCut
from candelabra.data.readers.folder import Folder, check_is_folder
from candelabra.data.readers.format_detection import FormatMatch, detect_formats, find_label_table, list_entries
from candelabra.data.readers.masks import Masks
from candelabra.data.readers.pets import Pets
from candelabra.data.readers.pts import Pts
from candelabra.data.readers.table import Table
from candelabra.data.readers.voc import Voc
from candelabra.data.readers.wflw import Wflw
from candelabra.data.readers.yolo import Yolo
from candelabra.data.samples import AmbiguousDataset, Samples
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)


def _table(root: str) -> Table:
    found = find_label_table(Path(root).expanduser())
    return Table(root=root, file=found.file, images=found.images, points=found.points) if found else Table(root=root)


READERS: Mapping[str, Callable[..., DataModule]] = {
    "celeba": torchvision_files.Celeba,
    "cifar10": torchvision_arrays.Cifar10,
    "cifar100": torchvision_arrays.Cifar100,
    "coco": Coco,
    "deeplabcut": DeepLabCut,
    "fashion_mnist": torchvision_arrays.FashionMnist,
    "flowers102": torchvision_files.Flowers102,
    "folder": Folder,
    "imagenet": torchvision_files.Imagenet,
    "masks": Masks,
    "mnist": partial(torchvision_arrays.Mnist, flip=False),
    "pets": Pets,
    "pts": Pts,
    "stl10": torchvision_arrays.Stl10,
    "table": _table,
    "voc": Voc,
    "wflw": Wflw,
    "yolo": Yolo,
}


@dataclass(kw_only=True, eq=False)
class Auto(DataModule):
    """Looks at the folder, says which format it looks like, and reads it as that with its usual words.

    Args:
        root: the folder.
    """

    root: str

    def read(self) -> Samples:
        look = recognize_format(check_is_folder(self.root))
        log.info("data.root=%s looks like data=%s (%s)", self.root, look.name, look.why)
        data = READERS[look.name](root=self.root)
        self.flip = self.flip and data.flip
        try:
            return data.read()
        except CandelabraError as error:
            words = (
                f"data.root={self.root} looks like data={look.name} ({look.why}), but: {error} Name the format, "
                f"data={look.name}, to set its words."
            )
            raise (
                AmbiguousDataset(words, error.samples)
                if isinstance(error, AmbiguousDataset)
                else CandelabraError(words)
            ) from error


def recognize_format(root: Path) -> FormatMatch:
    """The one format that a folder looks like.

    Raises:
        CandelabraError: there is none, or several; the message lists what was seen and what fits.
    """
    found = detect_formats(root)
    if len(found) == 1:
        return found[0]
    if found:
        fits = ", ".join(f"data={look.name} ({look.why})" for look in found)
        raise CandelabraError(f"data.root={root} may be read as {fits}; name the one that is meant.")
    below = [(child, detect_formats(child)) for child in sorted(root.glob("*/")) if child.is_dir()]
    hints = [f"data.root={child} looks like data={fits[0].name}" for child, fits in below if len(fits) == 1]
    raise CandelabraError(
        f"data.root={root} looks like no format that is known; seen: {list_entries(root)}. One folder a class is "
        "data=folder, "
        "a CSV or Parquet file with a row an image data=table (data.file=...), images and mask files data=masks "
        "(data.images=... data.masks=...), xml files data=voc, a json of annotations data=coco, text files in labels/ "
        "data=yolo, .pts files data=pts, CollectedData_*.csv data=deeplabcut."
        + (f" Of its folders, {', '.join(hints[:8])}." if hints else "")
    )
