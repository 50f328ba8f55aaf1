"""Data: the contract, and one file a data set or format."""

from candelabra.data.chunks import LitData
from candelabra.data.cifar10 import Cifar10
from candelabra.data.datamodule import DataModule
from candelabra.data.digits import Digits
from candelabra.data.folder import Folder
from candelabra.data.hub import HuggingFace
from candelabra.data.masks import Masks
from candelabra.data.pets import Pets
from candelabra.data.samples import Samples
from candelabra.data.shapes import Shapes
from candelabra.data.shards import WebDataset
from candelabra.data.table import Table
from candelabra.data.union import Union

__all__ = [
    "Cifar10",
    "DataModule",
    "Digits",
    "Folder",
    "HuggingFace",
    "LitData",
    "Masks",
    "Pets",
    "Samples",
    "Shapes",
    "Table",
    "Union",
    "WebDataset",
]
