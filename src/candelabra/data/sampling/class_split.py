"""Splits of whole classes: those that validation and test show are never learned."""

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError

_LEAST = 2  # classes of a split: with fewer, there is nothing to confuse


def split_classes(samples: Samples, val: float, test: float, seed: int) -> NDArray[np.str_]:
    """(n,) the split of each sample such that each class is in one; an image without a class is in train.

    Args:
        samples: of the data set.
        val: share of the classes, 0 to 1; at least two classes where it is above 0.
        test: likewise.
        seed: equal seeds divide alike.

    Raises:
        CandelabraError: images have no classes, or several, or the classes are too few.
    """
    target = samples.labels.find(LabelTarget)
    if target is None or target.multilabel:
        raise CandelabraError(
            "data.split=by_class divides classes, and needs data that give one class an image; these label "
            f"{samples.labels.list_names()}{', several classes an image' if target else ''}."
        )
    shown = samples.shown()
    known = np.flatnonzero(shown.any(0))
    counts = {
        split: max(_LEAST, round(share * len(known))) if share else 0 for split, share in (("test", test), ("val", val))
    }
    if len(known) - sum(counts.values()) < _LEAST:
        raise CandelabraError(
            f"data.split=by_class needs at least {_LEAST} classes in each split, and here are {len(known)} for "
            f"{counts['test']} of test, {counts['val']} of val and the rest of train; give data with more classes, or "
            "other shares with data.val and data.test."
        )
    drawn = np.random.default_rng(seed).permutation(known)
    divided = np.full(len(target.classes), "train", dtype="<U5")
    divided[drawn[: counts["test"]]] = "test"
    divided[drawn[counts["test"] : counts["test"] + counts["val"]]] = "val"
    found: NDArray[np.str_] = np.where(shown.any(1), divided[shown.argmax(1)], "train")
    return found
