"""Labels, samples and file samples of any targets in one call."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.file_samples import FileSamples
from candelabra.data.samples import make_sample
from candelabra.data.targets import BoxTarget, KeypointsTarget, Labels, LabelTarget, MaskTarget, Target, TargetColumn
from candelabra.data.targets.box import BoxColumn
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LabelColumn
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.types import Sample

FOUR = Labels(LabelTarget(), BoxTarget(), KeypointsTarget(), MaskTarget())


def make_labels(
    classes: Sequence[str] = (),
    multilabel: bool = False,
    box: bool = False,
    keypoints: Sequence[str] = (),
    mirror: Sequence[int] = (),
    normalizer: Sequence[int] = (),
    mask_classes: Sequence[str] = (),
) -> Labels:
    """Labels of the targets that are given."""
    targets: list[Target] = []
    if classes:
        targets.append(LabelTarget(tuple(classes), multilabel))
    if box:
        targets.append(BoxTarget())
    if keypoints:
        targets.append(KeypointsTarget(tuple(keypoints), tuple(mirror), tuple(normalizer)))
    if mask_classes:
        targets.append(MaskTarget(tuple(mask_classes)))
    return Labels(*targets)


def build_sample(
    image: Tensor,
    label: Tensor | None = None,
    box: Tensor | None = None,
    keypoints: Tensor | None = None,
    mask: Tensor | None = None,
) -> Sample:
    """A sample of the targets that are given."""
    values = {"label": label, "box": box, "keypoints": keypoints, "mask": mask}
    return make_sample(image, FOUR, {name: value for name, value in values.items() if value is not None})


def build_file_samples(
    root: Path,
    names: Sequence[str],
    labels: Labels,
    published: NDArray[Any],
    label: NDArray[Any] | None = None,
    box: NDArray[np.float32] | None = None,
    keypoints: NDArray[np.float32] | None = None,
    masks: Sequence[str] | None = None,
    meaning: NDArray[np.uint8] | None = None,
    ignored: Collection[int] = (255,),
    colours: Mapping[tuple[int, int, int], int] | None = None,
) -> FileSamples:
    """File samples with a column for each target that is given."""
    columns: list[TargetColumn] = []
    if label is not None:
        columns.append(LabelColumn(labels[LabelTarget], label))
    if box is not None:
        columns.append(BoxColumn(box))
    if keypoints is not None:
        columns.append(KeypointsColumn(labels[KeypointsTarget], keypoints))
    if masks is not None:
        assert meaning is not None
        columns.append(MaskFileColumn(labels[MaskTarget], root, masks, meaning, ignored, colours))
    return FileSamples(root, names, published, columns)
