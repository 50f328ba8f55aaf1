"""Restricts samples to some of their targets: `data.targets`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Sample


def select_targets(samples: Samples, targets: Sequence[str] | None) -> Samples:
    """Returns the samples with these targets alone; null keeps all.

    Raises:
        CandelabraError: there is no target, or one that these samples do not have.
    """
    if targets is None:
        return samples
    for target in targets:
        if target not in samples.labels:
            raise CandelabraError(
                f"data.targets names {target}; these data label {list_nearest(target, samples.labels)}. If the task "
                "set data.targets, as task=detection does, choose another task or other data."
            )
    if not targets:
        known = samples.labels.list_names()
        raise CandelabraError(f"data.targets=[] leaves nothing to learn; these data label {known}.")
    return SelectTargets(samples, targets)


class SelectTargets(SampleView):
    """A view of samples with some of their targets; random splits stay those of all targets.

    Args:
        samples: the samples behind the view.
        targets: names of the targets to keep.
    """

    def __init__(self, samples: Samples, targets: Sequence[str]) -> None:
        super().__init__(samples, samples.labels.only(targets))
        self.hidden = set(samples.labels) - set(targets)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {target: known for target, known in self.samples.labelled().items() if target not in self.hidden}

    def shown(self) -> NDArray[np.bool_]:
        return self.samples.shown()

    def digest(self, index: int) -> bytes:
        return self.samples.digest(index)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        sample = self.samples.load(index, least)
        shown: Sample = {key: value for key, value in sample.items() if key not in self.hidden}
        return shown
