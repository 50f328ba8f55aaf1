"""Gives targets of a data set other names: `data.rename`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.targets import Labels
from candelabra.data.targets.target_classes import list_target_classes
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Sample

_RESERVED = ("image", "features", "colours", "rows", "blend", "shares", "size")  # keys of `Sample`


def rename_targets(samples: Samples, names: Mapping[str, str] | None) -> Samples:
    """Returns the samples with targets under other names; null keeps all names.

    Raises:
        CandelabraError: these samples have no such target.
    """
    for name in names or ():
        if name not in samples.labels:
            known = list_nearest(name, samples.labels.targets)
            raise CandelabraError(f"data.rename names {name}; these data label {known}.")
    return RenameTargets(samples, names) if names else samples


def check_target_names(names: Mapping[str, str] | None) -> None:
    """Refuses new names that cannot be, before the data are read.

    Raises:
        CandelabraError: a name is no word, is given twice, or means something else.
    """
    given = list((names or {}).values())
    for name in given:
        if not isinstance(name, str) or not name.isidentifier():
            raise CandelabraError(f"data.rename: {name!r} is no name; give a word of letters, digits and _.")
        if name in _RESERVED or name in list_target_classes() or given.count(name) > 1:
            raise CandelabraError(f"data.rename: {name} means something else already; give another name.")


class RenameTargets(SampleView):
    """A view of samples with targets under other names.

    Args:
        samples: the samples behind the view.
        names: old name -> new name.
    """

    def __init__(self, samples: Samples, names: Mapping[str, str]) -> None:
        renamed = (target.rename(names.get(name, name)) for name, target in samples.labels.items())
        super().__init__(samples, Labels(*renamed))
        self.new_names = names

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {self.new_names.get(name, name): known for name, known in self.samples.labelled().items()}

    def digest(self, index: int) -> bytes:
        return hash_contents(self.samples.digest(index), repr(sorted(self.new_names.items())))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        return {self.new_names.get(key, key): value for key, value in self.samples.load(index, least).items()}
