"""What `candelabra convert` writes: one file a format, each read back by the data set of its name."""

from candelabra.data.writers.litdata import LitData
from candelabra.data.writers.table import Table
from candelabra.data.writers.webdataset import WebDataset
from candelabra.data.writers.writer import Writer

__all__ = ["LitData", "Table", "WebDataset", "Writer"]
