"""What `candelabra convert` writes: one file a format, each read back by the data set of its name."""

from candelabra.writers.litdata import LitData
from candelabra.writers.table import Table
from candelabra.writers.webdataset import WebDataset
from candelabra.writers.writer import Writer

__all__ = ["LitData", "Table", "WebDataset", "Writer"]
