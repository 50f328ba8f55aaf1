"""The base of views: samples that change what other samples return."""

from abc import ABC
from collections.abc import Mapping, Sequence

from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples
from candelabra.data.targets import Labels


class SampleView(Samples, ABC):
    """Delegates to other samples whatever concerns their files; a final class defines `load`, `digest` and `labelled`.

    Args:
        samples: the samples behind the view.
        labels: what the view labels.
    """

    def __init__(self, samples: Samples, labels: Labels) -> None:
        self.samples, self.labels, self.names = samples, labels, samples.names
        self.published, self.strata, self.issues = samples.published, samples.strata, samples.issues
        self.windows = samples.windows

    def verify(self) -> Mapping[int, str]:
        bad = self.samples.verify()
        self.issues = self.samples.issues  # `verify` may add some
        return bad

    def inspect(self, index: int) -> Sequence[DataIssue]:
        return self.samples.inspect(index)

    def original(self, index: int) -> bytes | None:
        return self.samples.original(index)
