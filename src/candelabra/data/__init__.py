"""Data: the contract, and one file a data set or format."""

from candelabra.data.auto import Auto
from candelabra.data.chunks import LitData
from candelabra.data.coco import Coco
from candelabra.data.datamodule import DataModule
from candelabra.data.deeplabcut import DeepLabCut
from candelabra.data.digits import Digits
from candelabra.data.folder import Folder
from candelabra.data.hub import HuggingFace
from candelabra.data.large import Celeba, Flowers102, Imagenet
from candelabra.data.masks import Masks
from candelabra.data.pets import Pets
from candelabra.data.pts import Pts
from candelabra.data.samples import Samples
from candelabra.data.shapes import Shapes
from candelabra.data.shards import WebDataset
from candelabra.data.small import Cifar10, Cifar100, FashionMnist, Mnist, Stl10
from candelabra.data.table import Table
from candelabra.data.union import Union
from candelabra.data.voc import Voc
from candelabra.data.wflw import Wflw
from candelabra.data.yolo import Yolo

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
