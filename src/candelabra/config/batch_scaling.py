"""Global batch size and learning rate scaling, independent of the number of processes."""

import math

from candelabra.errors import CandelabraError, list_nearest

_RULES = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}  # the power of the batch by which the rate grows


def count_accumulation_steps(batch: int, size: int, ranks: int) -> int:
    """Computes the number of accumulated batches per process for a global batch.

    Args:
        batch: images of a step, on all processes.
        size: images of a batch, on each process.
        ranks: how many processes there are.

    Raises:
        CandelabraError: it is no whole number.
    """
    each = size * ranks
    if batch >= each and batch % each == 0:
        return batch // each
    steps = max(1, round(batch / each))
    near = sorted({max(1, steps - 1) * each, steps * each, (steps + 1) * each}, key=lambda value: abs(value - batch))
    words = f"global_batch={' or '.join(map(str, sorted(near[:2])))}"
    sizes = [part for part in range(1, batch // ranks + 1) if batch % (part * ranks) == 0]
    if sizes:
        words += f", or data.batch_size={min(sizes, key=lambda value: abs(value - size))}"
    raise CandelabraError(
        f"global_batch={batch} is no multiple of data.batch_size={size} on {ranks} processes, which is "
        f"{each}; set {words}."
    )


def scale_rate(rate: float, rule: str, batch: int | None, base: int) -> float:
    """Scales a learning rate from a batch of `base` images to one of `batch` images.

    Args:
        rate: that was typed.
        rule: none; linear, times batch / base (Goyal et al. 2017); or sqrt, times its root, as befits Adam
            (Malladi et al. 2022).
        batch: `global_batch`; null where none was given.
        base: `lr_batch`.

    Raises:
        CandelabraError: the rule is not known, or there is no batch to go by.
    """
    if rule not in _RULES:
        raise CandelabraError(f"lr_rule={rule} is not known; allowed are {list_nearest(rule, _RULES)}.")
    if rule == "none":
        return rate
    if batch is None or min(batch, base) < 1:
        raise CandelabraError(
            f"lr_rule={rule} goes by global_batch={batch} and lr_batch={base}; set both to at least 1 "
            "(global_batch=1024 lr_batch=256, say), or lr_rule=none."
        )
    return rate * math.pow(batch / base, _RULES[rule])
