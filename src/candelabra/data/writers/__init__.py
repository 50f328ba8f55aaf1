"""Writers of `candelabra convert`: one module per format; the reader of the same name reads it."""

from candelabra.data.writers.litdata import LitDataWriter
from candelabra.data.writers.table import TableWriter
from candelabra.data.writers.webdataset import WebDatasetWriter
from candelabra.data.writers.writer import DatasetWriter

__all__ = ["DatasetWriter", "LitDataWriter", "TableWriter", "WebDatasetWriter"]
