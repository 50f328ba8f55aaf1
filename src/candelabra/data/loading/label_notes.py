"""What must be known of labels and splits before training, though nothing is wrong with any file."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import Samples
from candelabra.data.targets import LabelTarget, MaskTarget


def list_label_notes(
    samples: Samples, parts: Mapping[str, NDArray[np.int64]], published: bool, flip: bool = False
) -> list[DataIssue]:
    """An issue for each target with a single class, or that forbids mirroring, and for each split drawn out of train.

    Args:
        samples: of a data set.
        parts: indices of each split.
        published: the splits that the data set has are used.
        flip: training images are to be mirrored.
    """
    notes = []
    for target in (samples.labels.find(LabelTarget), samples.labels.find(MaskTarget)):
        if target is not None and len(target.classes) == 1:
            detail = f"only class {target.classes[0]!r}; is data.root one folder too high, or the wrong column read?"
            notes.append(DataIssue(target.name, f"{target.name} has a single class", IssueTreatment.USED, detail))
    problems = {target.name: target.mirror_problem for target in samples.labels.values()} if flip else {}
    notes += [
        DataIssue(name, "training images are not mirrored", IssueTreatment.USED, problem)
        for name, problem in problems.items()
        if problem
    ]
    given = set(np.unique(samples.published).tolist()) - {""} if published else set()
    for split in ("val", "test") if "train" in given else ():
        if split not in given and len(parts[split]):
            detail = f"{len(parts[split])} images, for the data set has {' and '.join(sorted(given))} alone"
            notes.append(DataIssue(split, f"{split} split was drawn out of train", IssueTreatment.USED, detail))
    return notes
