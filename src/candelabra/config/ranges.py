"""The ranges of options, by key: a number out of range is refused before data or weights are touched.

Constructors check what depends on several arguments; what is one number stands here, as do options of Lightning and
those that belong to no constructor.
"""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from candelabra.errors import CandelabraError


@dataclass(frozen=True)
class NumberRange:
    """Numbers that an option allows.

    Args:
        least: the smallest; null for none.
        most: the largest; null for none.
        above: the smallest itself is not allowed.
        below: the largest itself is not allowed.
        also: further numbers that have a meaning.
        whole: only whole numbers.
    """

    least: float | None = None
    most: float | None = None
    above: bool = False
    below: bool = False
    also: tuple[int, ...] = ()
    whole: bool = False

    def __contains__(self, number: object) -> bool:
        if self.whole and (isinstance(number, bool) or not isinstance(number, int)):
            return False
        if not isinstance(number, int | float) or number in self.also:
            return number in self.also
        high = self.least is None or (number > self.least if self.above else number >= self.least)
        return high and (self.most is None or (number < self.most if self.below else number <= self.most))

    def __str__(self) -> str:
        words = [] if self.least is None else [f"{'above' if self.above else 'at least'} {self.least:g}"]
        words += [] if self.most is None else [f"{'below' if self.below else 'at most'} {self.most:.10g}"]
        return (
            ("a whole number, " if self.whole else "")
            + " and ".join(words)
            + "".join(f", or {number}" for number in self.also)
        )


_COUNT, _NATURAL = NumberRange(1, whole=True), NumberRange(0, whole=True)
_POSITIVE, _NOT_NEGATIVE = NumberRange(0, above=True), NumberRange(0)
_SHARE, _PROPER_SHARE = NumberRange(0, 1), NumberRange(0, 1, below=True)
_SEED = NumberRange(0, 2**32 - 1, whole=True)  # what numpy takes

_RANGES = {
    "seed": _SEED,
    "*.seed": _SEED,
    "*_seed": _SEED,
    "minutes": _POSITIVE,
    "epochs": NumberRange(1, also=(-1,), whole=True),
    "trainer.max_epochs": NumberRange(1, also=(-1,), whole=True),
    "trainer.max_steps": NumberRange(1, also=(-1,), whole=True),
    "trainer.limit_train_batches": _POSITIVE,
    "trainer.limit_val_batches": _NOT_NEGATIVE,
    "trainer.limit_test_batches": _NOT_NEGATIVE,
    "trainer.overfit_batches": _NOT_NEGATIVE,
    "trainer.log_every_n_steps": _COUNT,
    "trainer.accumulate_grad_batches": _COUNT,
    "trainer.check_val_every_n_epoch": _COUNT,
    "trainer.val_check_interval": _POSITIVE,
    "trainer.num_sanity_val_steps": NumberRange(0, also=(-1,), whole=True),
    "trainer.gradient_clip_val": _NOT_NEGATIVE,
    "trainer.num_nodes": _COUNT,
    "trainer.devices": NumberRange(1, also=(-1,), whole=True),
    "lr": _NOT_NEGATIVE,
    "optimizer.lr": _NOT_NEGATIVE,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "global_batch": _COUNT,
    "lr_batch": _COUNT,
    "explain.every": _COUNT,
    "patience": _NATURAL,
    "scheduler.patience": _NATURAL,
    "scheduler.factor": NumberRange(0, 1, above=True, below=True),
    "scheduler.final": NumberRange(0, 1, above=True),
    "batch_size": _COUNT,
    "workers": _NATURAL,
    "data.workers": _NATURAL,
    "top_k": _COUNT,
    "max_detections": _COUNT,
    "score_threshold": _SHARE,
    "nms_threshold": _SHARE,
    "jobs": NumberRange(1, also=(-1,), whole=True),
    "folds": NumberRange(2, whole=True),
    "samples": _NATURAL,
    "pictures": _NATURAL,
    "images": _COUNT,
    "clusters": _COUNT,
    "k": _COUNT,
    "data.cache_gigabytes": _NOT_NEGATIVE,
    "data*.mixup": _NOT_NEGATIVE,
    "data*.cutmix": _NOT_NEGATIVE,
    "data*.canvas": NumberRange(8),
    "data*.count": _COUNT,
    "data*.window": _COUNT,
    "data*.gigabytes": _POSITIVE,
    "data.epoch": _COUNT,
    "to.megabytes": _POSITIVE,
    "logger.*.timeout": _POSITIVE,
    "backbone.in_channels": _COUNT,
    "finetune.rank": _COUNT,
    "finetune.share": _SHARE,
    "balance.temperature": _POSITIVE,
    "balance.lr": _POSITIVE,
    "balance.decay": _NOT_NEGATIVE,
    "balance.alpha": _NOT_NEGATIVE,
    "balance.c": _NOT_NEGATIVE,
    "task.*dropout": _PROPER_SHARE,
    "task.*smoothing": _PROPER_SHARE,
    "task.*_weight": _NOT_NEGATIVE,
    "task.*focal_gamma": _NOT_NEGATIVE,
    "task.*.weight": _NOT_NEGATIVE,
    "task.*class_weights": _NOT_NEGATIVE,
    "task.*.proposals": _COUNT,
    "task.*.regions": _COUNT,
    "task.*.width": _POSITIVE,  # of a loss, a share of the image; of a network, channels
    "task.*.hidden": _COUNT,
    "task.*.stride": _COUNT,
    "task.*.grid": _COUNT,
    "task.*.layers": _NATURAL,
    "task.*.candidates": _COUNT,
    "task.*_power": _NOT_NEGATIVE,
    "task.*_threshold": _SHARE,
    "task.*.max_detections": _COUNT,
    "task.*.beta": _POSITIVE,
    "task.*.epsilon": _POSITIVE,
    "task.*.tolerance": _POSITIVE,
    "projection.perplexity": _POSITIVE,
    "projection.neighbours": NumberRange(2),
    "projection.distance": _NOT_NEGATIVE,
}


def check_ranges(node: Any, path: str = "") -> None:
    """Checks all numbers of a resolved config.

    Raises:
        CandelabraError: one is infinite, no number (NaN) or out of range.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            check_ranges(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for value in node:
            check_ranges(value, path)
    elif isinstance(node, float) and not math.isfinite(node):
        raise CandelabraError(f"{path}={node} is no finite number; give one.")
    elif (allowed := _find_range(path, node)) is not None and node not in allowed:
        raise CandelabraError(f"{path}={node} is out of range: it must be {allowed}.")


def _find_range(path: str, value: Any) -> NumberRange | None:
    """The range of an option; null where it has none, or where a value of this type is judged by a constructor."""
    if value is None or (isinstance(value, str | bool) and "." in path):
        return None
    found = next((each for pattern, each in _RANGES.items() if fnmatchcase(path, pattern)), None)
    return found if found is None or found.whole or not isinstance(value, str | bool) else None
