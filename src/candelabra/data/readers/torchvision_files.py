"""Classic sets of image files, whose lists torchvision reads: ImageNet, Flowers-102 and CelebA."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candelabra.data.file_samples import FileSamples
from candelabra.data.readers.download import open_torchvision_splits
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_names
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LabelColumn
from candelabra.data.targets.point_names import pair_by_name

_CELEBA_SPLITS = ("train", "valid", "test")
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass(frozen=True, kw_only=True)
class Imagenet(Reader):
    """ImageNet's 1,000 classes (Russakovsky et al. 2015); 50,000 images are the published validation set.

    Nobody published labels of the test set: that split is drawn from the training images.

    Args:
        root: the folder of `train`, `val` and `meta.bin`, or of the archives that torchvision makes them of:
            ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar.
    """

    tier = DetectionTier.DATASETS

    root: str

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        reader = cls(root=str(root))
        if (root / "meta.bin").is_file() and (root / "train").is_dir() and (root / "val").is_dir():
            return FormatMatch("imagenet", "meta.bin, train and val", reader)
        return match_names("imagenet", ("ILSVRC2012_devkit_t12.tar.gz",), root, reader)

    def read(self) -> Samples:
        from torchvision.datasets import ImageNet

        parts = open_torchvision_splits(ImageNet, self.root, False, split=("train", "val"))
        rows = [(path, number, split) for split, part in parts.items() for path, number in part.samples]
        classes = [", ".join(words) for words in parts["train"].classes]
        return _classified(Path(self.root).expanduser(), rows, classes)


@dataclass(frozen=True, kw_only=True)
class Flowers102(Reader):
    """8,189 photographs of 102 flowers, divided as published (Nilsback & Zisserman 2008).

    Args:
        root: the folder that holds `flowers-102`.
        download: download the 350 MB if they are missing.
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("flowers102", ("flowers-102",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import Flowers102 as Flowers

        parts = open_torchvision_splits(Flowers, self.root, self.download, split=("train", "val", "test"))
        rows = [
            (str(path), int(number), split)
            for split, part in parts.items()
            for path, number in zip(part._image_files, part._labels, strict=True)
        ]
        return _classified(Path(self.root).expanduser(), rows, Flowers.classes)


@dataclass(frozen=True, kw_only=True)
class Celeba(Reader):
    """202,599 aligned faces with 40 attributes, several of which may hold, and 5 points (Liu et al. 2015).

    Its boxes are left out: they are pixels of the images before alignment, which nobody can download.

    Args:
        root: the folder that holds `celeba`.
        download: download the 1.4 GB if they are missing (needs the package gdown).
    """

    tier = DetectionTier.DATASETS

    root: str
    download: bool = False

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_names("celeba", ("celeba/list_attr_celeba.txt",), root, cls(root=str(root)))

    def read(self) -> Samples:
        from torchvision.datasets import CelebA

        parts = open_torchvision_splits(CelebA, self.root, self.download, split=_CELEBA_SPLITS)
        label = LabelTarget(tuple(name for name in parts["train"].attr_names if name), multilabel=True)
        attributes = np.concatenate([part.attr.numpy() for part in parts.values()])
        points = KeypointsTarget(_POINTS, tuple(pair_by_name(_POINTS)), (0, 1))
        landmarks = np.concatenate([part.landmarks_align.numpy() for part in parts.values()])
        landmarks = landmarks.reshape(-1, len(_POINTS), 2)
        return FileSamples(
            Path(self.root).expanduser() / "celeba" / "img_align_celeba",
            [name for part in parts.values() for name in part.filename],
            np.repeat(["train", "val", "test"], [len(part.filename) for part in parts.values()]),
            [LabelColumn(label, attributes.astype(np.float32)), KeypointsColumn(points, landmarks.astype(np.float32))],
        )


def _classified(root: Path, rows: Sequence[tuple[str, int, str]], classes: Sequence[str]) -> FileSamples:
    """Records of (path, class, split)."""
    return FileSamples(
        root,
        [str(Path(path).relative_to(root)) for path, _, _ in rows],
        np.array([split for _, _, split in rows], dtype="<U5"),
        [LabelColumn(LabelTarget(tuple(classes)), np.array([number for _, number, _ in rows], np.int64))],
    )
