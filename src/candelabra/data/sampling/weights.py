"""How often each training image occurs in an epoch: `data.sampler`."""

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples
from candelabra.data.sampling.class_batches import ClassBatchOrder, parse_per_class
from candelabra.data.sampling.name_tables import is_table, read_column
from candelabra.data.sampling.shuffle_window import WindowedOrder
from candelabra.data.sampling.train_order import ShuffledOrder, TrainOrder, WeightedOrder
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from candelabra.types import UNLABELLED

_KNOWN = ("shuffled", "balanced", "repeated")
Floats = NDArray[np.float64]


def check_sampler(sampler: str) -> None:
    """Checks the value of `data.sampler`.

    Raises:
        CandelabraError: it is neither a known word nor a table.
    """
    each = parse_per_class(sampler)
    if each == 1 or (each is None and sampler not in _KNOWN and not is_table(sampler)):
        raise CandelabraError(
            f"data.sampler={sampler} is not known; allowed are {', '.join(_KNOWN)}, <number>_per_class with a number "
            "from 2 on, and a table <file>.csv with the columns name and weight."
        )


def make_train_order(
    sampler: str, samples: Samples, training: NDArray[np.int64], seed: int, root: str | None
) -> TrainOrder:
    """Builds the order of the training images; see `DataModule`.

    Args:
        sampler: a word, or a table.
        samples: all samples, as training sees their labels.
        training: indices of the training images.
        seed: of the order.
        root: the folder of the data set, where tables are looked for too.

    Raises:
        CandelabraError: there are no classes to go by, no weights, or shards are to be read in windows.
    """
    if samples.windows is not None:
        shard, size = samples.windows
        if sampler != "shuffled":
            raise CandelabraError(
                f"data.sampler={sampler} draws from all images, and data.window={size} from some shards at a time; "
                "leave one out."
            )
        return WindowedOrder(shard[training], size, seed)
    if sampler == "shuffled":
        return ShuffledOrder(len(training), seed)
    each = parse_per_class(sampler)
    if each is None and sampler not in _KNOWN:
        weights = _weights(sampler, samples, training, root)
        return WeightedOrder(weights * (len(weights) / weights.sum()), np.zeros(len(weights), np.int64), seed)
    target = samples.labels.find(LabelTarget)
    if target is None:
        raise CandelabraError(
            f"data.sampler={sampler} goes by classes of images, but these data label "
            f"{samples.labels.list_names()}; choose shuffled, or a table of weights."
        )
    if each is not None:
        return ClassBatchOrder(_list_classes(samples, training, target, sampler), each, seed)
    shown = samples.shown()[training]
    known = samples.labelled()[target.name][training]
    expected = balance_classes(shown, known) if sampler == "balanced" else repeat_rare_classes(shown)
    classes = np.where(shown.any(1), shown.argmax(1), -1)
    strata = np.zeros_like(training) if target.multilabel else classes
    return WeightedOrder(expected, strata, seed)


def _list_classes(
    samples: Samples, training: NDArray[np.int64], target: LabelTarget, sampler: str
) -> NDArray[np.int64]:
    """(n,) the class of each training image, -1 where it has none."""
    if target.multilabel:
        raise CandelabraError(f"data.sampler={sampler} needs one class an image, but these data give several.")
    return np.where(samples.labelled()[target.name], samples.shown().argmax(1), UNLABELLED)[training]


def balance_classes(shown: NDArray[np.bool_], known: NDArray[np.bool_]) -> Floats:
    """(n,) expected occurrences of each image, such that classes are equally frequent and an epoch keeps its length.

    The weight of an image is the mean of 1 / (images of the class) over its classes; images that are labelled with no
    class form a class of their own, and an unlabelled image occurs once.

    >>> shown = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 0]], bool)
    >>> balance_classes(shown, np.array([1, 1, 1, 1, 0], bool)).round(2)
    array([0.67, 0.67, 0.67, 2.  , 1.  ])
    """
    table = np.concatenate([shown, (known & ~shown.any(1))[:, None]], axis=1)
    shares = table / np.maximum(table.sum(0), 1)
    weights = shares.sum(1) / np.maximum(table.sum(1), 1)
    expected: Floats = np.where(known, weights * (known.sum() / max(weights.sum(), 1e-12)), 1.0)
    return expected


def repeat_rare_classes(shown: NDArray[np.bool_]) -> Floats:
    """(n,) expected occurrences of each image: sqrt(mean class share / share of its rarest class), at least 1.

    Repeat factor sampling (Gupta et al. 2019, LVIS) with the mean share of a class as the threshold.

    >>> repeat_rare_classes(np.array([[1, 0]] * 9 + [[0, 1]], bool)).round(2)[[0, 9]]
    array([1.  , 2.24])
    """
    shares = shown.mean(0)
    there = shares > 0
    factors = np.ones_like(shares)
    factors[there] = np.maximum(1.0, np.sqrt(shares[there].mean() / shares[there]))
    expected: Floats = np.where(shown, factors, 1.0).max(1)
    return expected


def _weights(sampler: str, samples: Samples, training: NDArray[np.int64], root: str | None) -> Floats:
    cells = read_column("data.sampler", sampler, "weight", samples.names, root)[training]
    try:
        weights = np.array([np.nan if cell is None else float(cell) for cell in cells])
    except (TypeError, ValueError) as error:
        raise CandelabraError(f"data.sampler={sampler}: a weight is no number ({error}).") from error
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong) or not weights.any():
        name = samples.names[training[wrong[0]]] if len(wrong) else "all"
        raise CandelabraError(
            f"data.sampler={sampler}: each training image needs a weight of at least 0, and one above 0; look at "
            f"{name} ({len(wrong)} of {len(weights)} have none)."
        )
    return weights
