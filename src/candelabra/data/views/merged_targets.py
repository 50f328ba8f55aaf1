"""Samples whose targets are those of several data sets together, such as boxes of the classes of all sets."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.targets import BoxesTarget, InstancesTarget, Labels
from candelabra.data.transforms.sample_geometry import read_canvas_size
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError
from candelabra.types import Sample


def merge_targets(samples: Samples, wanted: Labels) -> Samples:
    """The samples with each target that `wanted` describes otherwise, but can hold, as a value of that one."""
    found = samples.labels
    changed = {name for name in found if name in wanted and wanted[name] != found[name]}
    merged = Labels(*(wanted[name] for name in changed if wanted[name].merge(found[name]) == wanted[name]))
    return MergedTargets(samples, merged) if merged else samples


def match_object_classes(samples: Samples, wanted: Labels) -> Samples:
    """The samples, with objects of the classes of a checkpoint; unchanged where that has none.

    Raises:
        CandelabraError: a class is not among the wanted ones.
    """
    for kind in (BoxesTarget, InstancesTarget):
        given, known = samples.labels.find(kind), wanted.find(kind)
        foreign = [name for name in given.classes if name not in known.classes] if given and known else []
        if known and foreign:
            raise CandelabraError(
                f"These data have {kind.name} of classes that the checkpoint does not know: {', '.join(foreign[:8])}; "
                f"it was trained on {', '.join(known.classes[:20])}. Choose among those with data.classes."
            )
    return merge_targets(samples, wanted.only([BoxesTarget.name, InstancesTarget.name]))


class MergedTargets(SampleView):
    """A view of samples, some targets of which are part of a larger one; see `Target.merge`.

    Args:
        samples: the samples behind the view.
        merged: the larger targets.
    """

    def __init__(self, samples: Samples, merged: Labels) -> None:
        labels = samples.labels
        for target in merged.values():
            labels = labels.with_target(target)
        super().__init__(samples, labels)
        self.merged = merged

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return self.samples.labelled()

    def shown(self) -> NDArray[np.bool_]:
        return self.samples.shown()

    def digest(self, index: int) -> bytes:
        return hash_contents(self.samples.digest(index), repr(self.merged))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        sample = dict(self.samples.load(index, least))
        size = read_canvas_size(sample)
        for name, target in self.merged.items():
            sample[name] = target.match_value(sample[name], self.samples.labels[name], size)
        return sample
