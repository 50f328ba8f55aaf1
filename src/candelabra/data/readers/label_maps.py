"""Images and label maps, whose numbers tell objects apart; or a mask for each object."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from candelabra.data.decoding.images import find_images
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.mask_pairs import find_mask_pairs
from candelabra.data.readers.object_files import ObjectFileColumn, ObjectFiles
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import parse_split_name
from candelabra.data.targets import InstancesTarget
from candelabra.errors import CandelabraError

_KNOWN = (
    ("JPEGImages", "SegmentationObject"),
    ("PNGImages", "PedMasks"),
    ("images", "labels"),
    ("images", "instances"),
)
_TRIED = 8  # folders that are looked into
_TELLING = ("SegmentationObject", "PedMasks", "instances")  # names of folders that semantic masks do not have
_CLASS_MAPS = "SegmentationClass"  # Pascal VOC's, beside the maps of objects
_BORDER = 255  # Pascal VOC's number around objects, which says nothing
_VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@dataclass(frozen=True, kw_only=True)
class LabelMaps(Reader):
    """Objects of images, each with its pixels; there are three layouts.

    - a folder of images and one of label maps of the same names, 8 to 32 bits a pixel: 0 is no object, any other
      number one object. Pairs of folders of splits and lists of splits are found as those of `data=masks`.
    - `<any>/images/<image>` and `<any>/masks/<object>`, a folder for each image and a mask for each object, as the Data
      Science Bowl 2018 had them.
    - Pascal VOC's `JPEGImages`, `SegmentationObject` and `SegmentationClass`.

    Args:
        root: the folder.
        images, labels: the folders of images and label maps, below root; null looks for them.
        classes: the one name of all objects; or, for Pascal VOC, the names of its numbers from 1 on. Null for "object",
            or the twenty classes of Pascal VOC.
        ignore: numbers of pixels that neither teach nor count; null for none, and 255 for Pascal VOC.
    """

    tier: ClassVar[DetectionTier] = DetectionTier.DATASETS

    root: str
    images: str | None = None
    labels: str | None = None
    classes: Sequence[str] | None = None
    ignore: Sequence[int] | None = None

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        reader = cls(root=str(root))
        if _find_object_folders(root):
            return FormatMatch("label_maps", "a folder of masks for each image", reader)
        folders = _find_folders(root)
        if folders is None or folders[1] not in _TELLING or (root / "Annotations").is_dir():
            return None
        return FormatMatch("label_maps", " and ".join(folders), reader)

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        own = _find_object_folders(root) if self.images is None and self.labels is None else []
        found = _list_object_masks(root, own, issues) if own else self._list_label_maps(root, issues)
        if not any(files for _, _, files in found):
            raise CandelabraError(f"There is no image with a label map below data.root={self.root}.")
        voc = any(files and files.classes for _, _, files in found)
        classes = [str(name) for name in self.classes or (_VOC if voc else ("object",))]
        if not voc and len(classes) > 1:
            raise CandelabraError(
                f"data.classes={classes} names several classes, but label maps say nothing of classes; give one name, "
                f"or maps of classes in {_CLASS_MAPS} beside SegmentationObject."
            )
        ignored = self.ignore if self.ignore is not None else [_BORDER] if voc else []
        column = ObjectFileColumn(
            InstancesTarget(tuple(classes)),
            root,
            [files for _, _, files in found],
            ignored,
            {number: place for place, number in enumerate(range(1, len(classes) + 1))},
        )
        names, splits = [name for name, _, _ in found], np.array([split for _, split, _ in found], dtype="<U5")
        return FileSamples(root, names, splits, [column], issues)

    def _list_label_maps(self, root: Path, issues: list[DataIssue]) -> list[tuple[str, str, ObjectFiles | None]]:
        """Name, split and files of each image."""
        images, labels = _find_folders(root) or ("images", "labels")
        images, labels = self.images or images, self.labels or labels
        found: list[tuple[str, str, ObjectFiles | None]] = []
        for split, image, label in find_mask_pairs(root, images, labels, issues):
            files = None
            if label:
                beside = [path for path in find_images(root / _CLASS_MAPS) if path.stem == label.stem][:1]
                classes = str(beside[0].relative_to(root)) if beside and labels == _KNOWN[0][1] else ""
                files = ObjectFiles((str(label.relative_to(root)),), classes=classes)
            found.append((str(image.relative_to(root)), split, files))
        return found


def _find_folders(root: Path) -> tuple[str, str] | None:
    """The folders of images and of label maps of a layout that is known."""
    for images, labels in _KNOWN:
        if (root / images).is_dir() and next(iter(find_images(root / labels)), None):
            return images, labels
    return None


def _find_object_folders(root: Path) -> list[Path]:
    """Folders that hold the one image and the masks of its objects, at most two folders below root."""
    for pattern in ("*/masks", "*/*/masks"):
        found = [path.parent for path in sorted(root.glob(pattern)) if (path.parent / "images").is_dir()]
        if len(found) > 1 and all(map(_holds_one_image, found[:_TRIED])):
            return found
    return []


def _holds_one_image(folder: Path) -> bool:
    """Whether a folder holds an image and masks of its objects, instead of images and masks of equal names."""
    images, masks = ([path.stem for path in find_images(folder / name)] for name in ("images", "masks"))
    return len(images) == 1 and images != masks


def _list_object_masks(
    root: Path, folders: Sequence[Path], issues: list[DataIssue]
) -> list[tuple[str, str, ObjectFiles | None]]:
    found: list[tuple[str, str, ObjectFiles | None]] = []
    for folder in folders:
        images = list(find_images(folder / "images"))
        masks = tuple(str(path.relative_to(root)) for path in find_images(folder / "masks"))
        split = parse_split_name(folder.parent.name) if folder.parent != root else ""
        for image in images[:1]:
            name = str(image.relative_to(root))
            if len(images) > 1:
                issues.append(DataIssue(name, "several images with one folder of masks", IssueTreatment.SKIPPED))
            if not masks:
                issues.append(DataIssue(name, "image without a mask", IssueTreatment.UNLABELLED))
            found.append((name, split, ObjectFiles(masks, masks=True) if masks else None))
    return found
