"""Samples whose labels count by the classes of another data set: those that a checkpoint was trained on."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.targets import LabelTarget
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError
from candelabra.types import Sample


def match_classes(samples: Samples, wanted: LabelTarget | None) -> Samples:
    """The samples, with classes numbered as in `wanted`; unchanged where that has no single label for each image.

    Raises:
        CandelabraError: a class is not among the wanted ones.
    """
    target = samples.labels.find(LabelTarget)
    if target is None or wanted is None or target == wanted or target.multilabel or wanted.multilabel:
        return samples
    foreign = [name for name in target.classes if name not in wanted.classes]
    if foreign:
        raise CandelabraError(
            f"These data have classes that the checkpoint does not know: {', '.join(foreign[:8])}; it was trained on "
            f"{', '.join(wanted.classes[:20])}. Leave their images out, or give other data with data.root=<folder>."
        )
    return MatchClasses(samples, target, wanted)


class MatchClasses(SampleView):
    """A view of samples whose classes have the numbers of another target.

    Args:
        samples: the samples behind the view.
        target: their label.
        wanted: the label with the numbers that count.
    """

    def __init__(self, samples: Samples, target: LabelTarget, wanted: LabelTarget) -> None:
        super().__init__(samples, samples.labels.with_target(wanted))
        self.numbers = np.array([*(wanted.classes.index(name) for name in target.classes), -1])
        self.strata = self.numbers[samples.strata]

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return self.samples.labelled()

    def digest(self, index: int) -> bytes:
        return hash_contents(self.samples.digest(index), self.numbers)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        sample = dict(self.samples.load(index, least))
        number = torch.tensor(int(self.numbers[int(sample[LabelTarget.name])]))
        return {**sample, LabelTarget.name: number}
