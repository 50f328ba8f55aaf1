"""Data modules, and a reader for each data set or annotation format.

A name is imported when it is used first: `data.decoding` alone needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from candelabra.data.loading.datamodule import DataModule as DataModule
    from candelabra.data.loading.dataset_part import DatasetPart as DatasetPart
    from candelabra.data.loading.sample_datamodule import SampleDataModule as SampleDataModule
    from candelabra.data.loading.union import Union as Union
    from candelabra.data.readers.auto import Auto as Auto
    from candelabra.data.readers.blurred_digits import BlurredDigits as BlurredDigits
    from candelabra.data.readers.coco import Coco as Coco
    from candelabra.data.readers.deeplabcut import DeepLabCut as DeepLabCut
    from candelabra.data.readers.digits import Digits as Digits
    from candelabra.data.readers.folder import Folder as Folder
    from candelabra.data.readers.images import Images as Images
    from candelabra.data.readers.label_maps import LabelMaps as LabelMaps
    from candelabra.data.readers.masks import Masks as Masks
    from candelabra.data.readers.pets import Pets as Pets
    from candelabra.data.readers.pts import Pts as Pts
    from candelabra.data.readers.reader import Reader as Reader
    from candelabra.data.readers.rendered_shapes import RenderedShapes as RenderedShapes
    from candelabra.data.readers.shapes import ManyShapes as ManyShapes
    from candelabra.data.readers.shapes import Shapes as Shapes
    from candelabra.data.readers.table import Table as Table
    from candelabra.data.readers.torchvision_arrays import Cifar10 as Cifar10
    from candelabra.data.readers.torchvision_arrays import Cifar100 as Cifar100
    from candelabra.data.readers.torchvision_arrays import FashionMnist as FashionMnist
    from candelabra.data.readers.torchvision_arrays import Mnist as Mnist
    from candelabra.data.readers.torchvision_arrays import Stl10 as Stl10
    from candelabra.data.readers.torchvision_files import Celeba as Celeba
    from candelabra.data.readers.torchvision_files import Flowers102 as Flowers102
    from candelabra.data.readers.torchvision_files import Imagenet as Imagenet
    from candelabra.data.readers.voc import Voc as Voc
    from candelabra.data.readers.wflw import Wflw as Wflw
    from candelabra.data.readers.yolo import Yolo as Yolo
    from candelabra.data.samples import Samples as Samples
    from candelabra.data.shards.huggingface import HuggingFace as HuggingFace
    from candelabra.data.shards.litdata import LitData as LitData
    from candelabra.data.shards.webdataset import WebDataset as WebDataset

_HOMES = {
    "DataModule": "candelabra.data.loading.datamodule",
    "DatasetPart": "candelabra.data.loading.dataset_part",
    "SampleDataModule": "candelabra.data.loading.sample_datamodule",
    "Union": "candelabra.data.loading.union",
    "Auto": "candelabra.data.readers.auto",
    "BlurredDigits": "candelabra.data.readers.blurred_digits",
    "Coco": "candelabra.data.readers.coco",
    "DeepLabCut": "candelabra.data.readers.deeplabcut",
    "Digits": "candelabra.data.readers.digits",
    "Folder": "candelabra.data.readers.folder",
    "Images": "candelabra.data.readers.images",
    "LabelMaps": "candelabra.data.readers.label_maps",
    "Masks": "candelabra.data.readers.masks",
    "Pets": "candelabra.data.readers.pets",
    "Pts": "candelabra.data.readers.pts",
    "Reader": "candelabra.data.readers.reader",
    "RenderedShapes": "candelabra.data.readers.rendered_shapes",
    "ManyShapes": "candelabra.data.readers.shapes",
    "Shapes": "candelabra.data.readers.shapes",
    "Table": "candelabra.data.readers.table",
    "Cifar10": "candelabra.data.readers.torchvision_arrays",
    "Cifar100": "candelabra.data.readers.torchvision_arrays",
    "FashionMnist": "candelabra.data.readers.torchvision_arrays",
    "Mnist": "candelabra.data.readers.torchvision_arrays",
    "Stl10": "candelabra.data.readers.torchvision_arrays",
    "Celeba": "candelabra.data.readers.torchvision_files",
    "Flowers102": "candelabra.data.readers.torchvision_files",
    "Imagenet": "candelabra.data.readers.torchvision_files",
    "Voc": "candelabra.data.readers.voc",
    "Wflw": "candelabra.data.readers.wflw",
    "Yolo": "candelabra.data.readers.yolo",
    "Samples": "candelabra.data.samples",
    "HuggingFace": "candelabra.data.shards.huggingface",
    "LitData": "candelabra.data.shards.litdata",
    "WebDataset": "candelabra.data.shards.webdataset",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
