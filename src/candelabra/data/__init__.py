"""Data: the contract, and one file a data set or format."""

from candelabra.data.datamodule import DataModule
from candelabra.data.formats.auto import Auto
from candelabra.data.formats.coco import Coco
from candelabra.data.formats.deeplabcut import DeepLabCut
from candelabra.data.formats.digits import Digits
from candelabra.data.formats.folder import Folder
from candelabra.data.formats.large import Celeba, Flowers102, Imagenet
from candelabra.data.formats.masks import Masks
from candelabra.data.formats.pets import Pets
from candelabra.data.formats.pts import Pts
from candelabra.data.formats.shapes import Shapes
from candelabra.data.formats.small import Cifar10, Cifar100, FashionMnist, Mnist, Stl10
from candelabra.data.formats.table import Table
from candelabra.data.formats.voc import Voc
from candelabra.data.formats.wflw import Wflw
from candelabra.data.formats.yolo import Yolo
from candelabra.data.samples import Samples
from candelabra.data.shards.chunks import LitData
from candelabra.data.shards.hub import HuggingFace
from candelabra.data.shards.shards import WebDataset
from candelabra.data.union import Union

__all__ = [
    "Auto",
    "Celeba",
    "Cifar10",
    "Cifar100",
    "Coco",
    "DataModule",
    "DeepLabCut",
    "Digits",
    "FashionMnist",
    "Flowers102",
    "Folder",
    "HuggingFace",
    "Imagenet",
    "LitData",
    "Masks",
    "Mnist",
    "Pets",
    "Pts",
    "Samples",
    "Shapes",
    "Stl10",
    "Table",
    "Union",
    "Voc",
    "WebDataset",
    "Wflw",
    "Yolo",
]
