"""The layout of the Oxford-IIIT Pet data set (Parkhi et al. 2012): breed, head box, trimap."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.download import open_torchvision_set
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_names
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.readers.voc_xml import move_voc_box, read_voc_file
from candelabra.data.samples import Samples
from candelabra.data.targets import LabelTarget, MaskTarget
from candelabra.data.targets.box import BoxColumn
from candelabra.data.targets.label import LabelColumn
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED

_FOLDER = "oxford-iiit-pet"


@dataclass(frozen=True, kw_only=True)
class Pets(Reader):
    """`label` is the breed, `box` the head (published for part of the images), `mask` the pet; its border is ignored.

    An image with more than one head in its file counts as having no box.

    Args:
        root: the folder that holds `oxford-iiit-pet`, or that folder itself.
        download: download the 800 MB from the authors if they are missing.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("pets", ("oxford-iiit-pet", "annotations/trimaps"), root, cls(root=str(root)))

    def read(self) -> Samples:
        if self.download and not (Path(self.root) / _FOLDER / "annotations").is_dir():
            from torchvision.datasets import OxfordIIITPet

            open_torchvision_set(OxfordIIITPet, self.root, download=True)
        root = check_is_folder(self.root)
        root = root / _FOLDER if (root / _FOLDER).is_dir() else root
        rows = [row for split in ("trainval", "test") for row in _rows(root, split)]
        names = [name for name, _, _ in rows]
        breeds = sorted({(number, name.rsplit("_", 1)[0]) for name, number, _ in rows})
        index = {number: i for i, (number, _) in enumerate(breeds)}
        meaning = np.full(256, IGNORED, np.uint8)
        meaning[[1, 2]] = 1, 0
        issues: list[DataIssue] = []
        paths = [f"images/{name}.jpg" for name in names]
        heads = [
            _head(root / "annotations" / "xmls" / f"{name}.xml", path, issues)
            for name, path in zip(names, paths, strict=True)
        ]
        label = LabelTarget(tuple(breed.replace("_", " ") for _, breed in breeds))
        masks = [f"annotations/trimaps/{name}.png" for name in names]
        columns = [
            LabelColumn(label, np.array([index[number] for _, number, _ in rows], np.int64)),
            BoxColumn(repair_boxes(np.stack(heads), paths, issues)),
            MaskFileColumn(MaskTarget(("background", "pet")), root, masks, meaning, ignored=(3,)),
        ]
        published = np.array(["test" if split == "test" else "train" for _, _, split in rows])
        return FileSamples(root, paths, published, columns, issues)


def _rows(root: Path, split: str) -> list[tuple[str, int, str]]:
    path = root / "annotations" / f"{split}.txt"
    if not path.is_file():
        raise CandelabraError(
            f"{path} is missing; data=pets needs a folder with {_FOLDER}/annotations and images (data.root=...), or "
            "data.download=true to fetch it."
        )
    lines = [line.split() for line in (read_annotation_text(path, path.name, []) or "").split("\n") if line.strip()]
    try:
        return [(line[0], int(line[1]), split) for line in lines if not line[0].startswith("#")]
    except (ValueError, IndexError) as error:
        raise CandelabraError(f"{path} should have a name and a class number a line ({error}).") from error


def _head(path: Path, name: str, issues: list[DataIssue]) -> NDArray[np.float32]:
    """XYXY of the one head in a VOC file."""
    nowhere = np.full(4, np.nan, np.float32)
    things = read_voc_file(path, name, issues).things if path.is_file() else None
    if things is None or len(things) != 1 or things[0].box is None:
        if things is not None and len(things) > 1:
            issues.append(DataIssue(name, "several objects", IssueTreatment.UNLABELLED, f"{len(things)} heads"))
        return nowhere
    return np.array(move_voc_box(things[0]).box, np.float32)
