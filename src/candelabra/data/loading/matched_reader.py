"""A reader whose classes are those that a checkpoint was trained on."""

from dataclasses import dataclass

from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples
from candelabra.data.targets import Labels, LabelTarget
from candelabra.data.views.match_classes import match_classes
from candelabra.data.views.merged_targets import match_object_classes


@dataclass(frozen=True, kw_only=True)
class MatchedReader(Reader):
    """A reader of data that are measured by the classes of a checkpoint.

    Args:
        reader: of the data.
        labels: of the checkpoint.
    """

    reader: Reader
    labels: Labels

    def read(self) -> Samples:
        samples = match_classes(self.reader.read(), self.labels.find(LabelTarget))
        return match_object_classes(samples, self.labels)

    @property
    def folder(self) -> str | None:
        return self.reader.folder

    def allows_flip(self) -> bool:
        return self.reader.allows_flip()
