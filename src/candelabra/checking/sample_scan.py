"""The facts about a sample for all statistics; each image is decoded once."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch.utils.data import Dataset

from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples
from candelabra.data.sampling.image_scan import ComparedImage, number_contents, reduce_image
from candelabra.data.targets import Labels
from candelabra.types import Sample


class SampleScan(NamedTuple):
    """Facts about one sample.

    Args:
        number: index of the sample.
        image: what of its image is compared.
        answers: number of the content of each target that is labelled.
        summaries: of each target that is labelled; see `Target.summarize`.
        issues: of the image and its mask.
        problem: why it cannot be read; all other facts are then empty. Null if it can be read.
    """

    number: int
    image: ComparedImage = ComparedImage()
    answers: Mapping[str, int] = {}
    summaries: Mapping[str, Mapping[str, NDArray[Any]]] = {}
    issues: tuple[DataIssue, ...] = ()
    problem: str | None = None


class ScanDataset(Dataset[SampleScan]):
    """A map-style data set of the facts about samples.

    Args:
        samples: to scan.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.known = samples.labelled()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> SampleScan:
        try:
            sample = self.samples.load(index)
            odd = [each._replace(name=self.samples.names[index]) for each in self.samples.inspect(index)]
        except UnreadableFile as error:
            return SampleScan(index, problem=str(error))
        labels = self.samples.labels.only([name for name in self.samples.labels if self.known[name][index]])
        return _scan_sample(index, sample, labels)._replace(issues=tuple(odd))


def _scan_sample(index: int, sample: Sample, labels: Labels) -> SampleScan:
    image = reduce_image(sample)
    values = {name: target.unwrap(sample[name]) for name, target in labels.items() if name in sample}
    # labels outside of the image are detected only now, as they need its size
    values = {name: value for name, value in values.items() if labels[name].is_labelled(value[None])[0]}
    return SampleScan(
        index,
        image,
        {name: number_contents(value) for name, value in values.items()},
        {name: labels[name].summarize(value, image.size) for name, value in values.items()},
    )
