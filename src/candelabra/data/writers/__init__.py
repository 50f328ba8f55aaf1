"""What `candelabra convert` writes: one file a format, each read back by the data set of its name."""

from candelabra.data.writers.litdata import LitDataWriter
from candelabra.data.writers.table import TableWriter
from candelabra.data.writers.webdataset import WebDatasetWriter
from candelabra.data.writers.writer import DatasetWriter

__all__ = ["DatasetWriter", "LitDataWriter", "TableWriter", "WebDatasetWriter"]
