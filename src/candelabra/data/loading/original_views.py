"""Prepared samples, each with its labels in the pixels of its own file."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from torch import Tensor
from torch.utils.data import Dataset

from candelabra.data.decoding.covered_region import find_covered_region
from candelabra.data.decoding.image_files import RawBytes, open_image, read_exif_orientation
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.loading.loader import collate_samples
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.samples import Samples
from candelabra.data.targets import Labels, ResizeGeometry
from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.data.transforms.sample_geometry import drop_invisible, read_canvas_size
from candelabra.types import Sample

ORIGINALS_KEY = "originals"  # of a batch


class OriginalView(NamedTuple):
    """The labels of an image in the pixels of its file.

    Args:
        values: of its targets that have a place, by name; none for an image that does not count.
        geometry: where the image lies in what the model sees.
    """

    values: dict[str, Tensor]
    geometry: ResizeGeometry | None


class OriginalViews(Dataset[Sample]):
    """The samples of a dataset, each with an `OriginalView`; those of huge images are as small as these are decoded.

    Args:
        dataset: of prepared samples that are not augmented.
    """

    def __init__(self, dataset: TransformedDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int) -> Sample:
        return {**self.dataset[key], ORIGINALS_KEY: OriginalView({}, None) if key < 0 else self._view(key)}

    def _view(self, key: int) -> OriginalView:
        index = int(self.dataset.indices[key % len(self.dataset)])
        pipeline = self.dataset.pipeline.of(index)
        assert pipeline.resize is not None, pipeline
        try:
            whole = self.dataset.samples.load(index)
            small = self.dataset.samples.load(index, pipeline.least) if _shrinks(whole, pipeline) else whole
        except UnreadableFile:
            return OriginalView({}, None)
        labels = pipeline.read_labels
        values = {
            name: labels[name].unwrap(cast(Tensor, value))
            for name, value in drop_invisible(whole, labels).items()
            if name in labels and labels[name].placed
        }
        original, seen = read_canvas_size(whole), read_canvas_size(small)
        orientation = 1 if small is whole else _read_orientation(self.dataset.samples, index)
        region = find_covered_region(seen, original, orientation)
        return OriginalView(values, pipeline.resize.view(seen)._replace(original=original, region=region))


def _read_orientation(samples: Samples, index: int) -> int:
    """The EXIF orientation that was applied to an image, 1 to 8."""
    content = samples.original(index)
    if content is None:
        return 1
    with open_image(RawBytes(content, samples.names[index])) as image:
        return read_exif_orientation(image)[0]


def _shrinks(whole: Sample, pipeline: TransformPipeline) -> bool:
    """Whether an image may be decoded smaller than it is."""
    pairs = zip(read_canvas_size(whole), pipeline.least or (1, 1), strict=True)
    return all(side >= 2 * least for side, least in pairs)


def collate_originals(samples: Sequence[Sample], labels: Labels) -> Sample:
    """Collates samples; their views, which differ in size, stay a list."""
    views = [sample[ORIGINALS_KEY] for sample in samples]
    plain = [{key: value for key, value in sample.items() if key != ORIGINALS_KEY} for sample in samples]
    return {**collate_samples(plain, labels), ORIGINALS_KEY: views}
