"""Samples that change what other samples give."""

from abc import ABC
from collections.abc import Mapping, Sequence

from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples
from candelabra.data.targets import Labels


class SampleView(Samples, ABC):
    """Passes on what concerns the files of other samples; a final class says what it gives of them, and what is known.

    Args:
        samples: whose.
        labels: what is labelled then.
    """

    def __init__(self, samples: Samples, labels: Labels) -> None:
        self.samples, self.labels, self.names = samples, labels, samples.names
        self.published, self.strata, self.issues = samples.published, samples.strata, samples.issues
        self.windows = samples.windows

    def verify(self) -> Mapping[int, str]:
        bad = self.samples.verify()
        self.issues = self.samples.issues  # which verifying adds to
        return bad

    def inspect(self, index: int) -> Sequence[DataIssue]:
        return self.samples.inspect(index)

    def original(self, index: int) -> bytes | None:
        return self.samples.original(index)
