"""Data modules, and a reader for each data set or annotation format."""

from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.dataset_part import DatasetPart
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.union import Union
from candelabra.data.readers.auto import Auto
from candelabra.data.readers.coco import Coco
from candelabra.data.readers.deeplabcut import DeepLabCut
from candelabra.data.readers.digits import Digits
from candelabra.data.readers.folder import Folder
from candelabra.data.readers.label_maps import LabelMaps
from candelabra.data.readers.masks import Masks
from candelabra.data.readers.pets import Pets
from candelabra.data.readers.pts import Pts
from candelabra.data.readers.reader import Reader
from candelabra.data.readers.shapes import ManyShapes, Shapes
from candelabra.data.readers.table import Table
from candelabra.data.readers.torchvision_arrays import Cifar10, Cifar100, FashionMnist, Mnist, Stl10
from candelabra.data.readers.torchvision_files import Celeba, Flowers102, Imagenet
from candelabra.data.readers.voc import Voc
from candelabra.data.readers.wflw import Wflw
from candelabra.data.readers.yolo import Yolo
from candelabra.data.samples import Samples
from candelabra.data.shards.huggingface import HuggingFace
from candelabra.data.shards.litdata import LitData
from candelabra.data.shards.webdataset import WebDataset

__all__ = [
    "Auto",
    "Celeba",
    "Cifar10",
    "Cifar100",
    "Coco",
    "DataModule",
    "DatasetPart",
    "DeepLabCut",
    "Digits",
    "FashionMnist",
    "Flowers102",
    "Folder",
    "HuggingFace",
    "Imagenet",
    "LabelMaps",
    "LitData",
    "ManyShapes",
    "Masks",
    "Mnist",
    "Pets",
    "Pts",
    "Reader",
    "SampleDataModule",
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
