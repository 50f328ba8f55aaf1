"""The layout of the Oxford-IIIT Pet data set (Parkhi et al. 2012): breed, head box, trimap."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from candelabra.data.datamodule import DataModule
from candelabra.data.download import fetch
from candelabra.data.folder import must_be_folder
from candelabra.data.records import Records
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, Labels

FOLDER = "oxford-iiit-pet"


@dataclass(kw_only=True, eq=False)
class Pets(DataModule):
    """`label` is the breed, `box` the head (published for part of the images), `mask` the pet; its border is ignored.

    An image with more than one head in its file counts as having no box.

    Args:
        root: the folder that holds `oxford-iiit-pet`, or that folder itself.
        download: fetch the 800 MB from the authors where they are not there yet.
    """

    root: str
    download: bool = False

    def read(self) -> Samples:
        if self.download and not (Path(self.root) / FOLDER / "annotations").is_dir():
            fetch("OxfordIIITPet", self.root)
        root = must_be_folder(self.root)
        root = root / FOLDER if (root / FOLDER).is_dir() else root
        rows = [row for split in ("trainval", "test") for row in _rows(root, split)]
        names = [name for name, _, _ in rows]
        breeds = sorted({(number, name.rsplit("_", 1)[0]) for name, number, _ in rows})
        index = {number: i for i, (number, _) in enumerate(breeds)}
        meaning = np.full(256, IGNORED, np.uint8)
        meaning[[1, 2]] = 1, 0
        return Records(
            root,
            [f"images/{name}.jpg" for name in names],
            Labels(
                classes=tuple(breed.replace("_", " ") for _, breed in breeds),
                box=True,
                mask_classes=("background", "pet"),
            ),
            np.array(["test" if split == "test" else "train" for _, _, split in rows]),
            np.array([index[number] for _, number, _ in rows], np.int64),
            np.stack([_head(root / "annotations" / "xmls" / f"{name}.xml") for name in names]),
            None,
            [f"annotations/trimaps/{name}.png" for name in names],
            meaning,
            (3,),
        )


def _rows(root: Path, split: str) -> list[tuple[str, int, str]]:
    path = root / "annotations" / f"{split}.txt"
    if not path.is_file():
        raise CandelabraError(
            f"{path} is missing; data=pets needs a folder with {FOLDER}/annotations and images (data.root=...), or "
            "data.download=true to fetch it."
        )
    lines = [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [(line[0], int(line[1]), split) for line in lines]


def _head(path: Path) -> NDArray[np.float32]:
    """XYXY of the one head in a VOC file; VOC counts pixels from 1."""
    if path.is_file():
        boxes = ElementTree.parse(path).findall("object/bndbox")
        if len(boxes) == 1:
            corners = [float(boxes[0].findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax")]
            return np.array(corners, np.float32) - np.array([1, 1, 0, 0], np.float32)
    return np.full(4, np.nan, np.float32)
