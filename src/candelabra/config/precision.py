"""Choice of the precision of computing: known on a GPU, measured on a CPU."""

import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from candelabra.config.measurements import load_measurement
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
AUTOCAST_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_CANDIDATES = ("32-true", "bf16-mixed")
_SECONDS = 2.8  # for all steps, the first ones too
_STEP_SECONDS = 0.4  # a step that is measured takes about so long
_ROUNDS = 7
_CPU = torch.device("cpu")
_GAIN = 1.02  # bfloat16 rounds; it must be faster by so much


def resolve_precision(precision: str | int | None, accelerator: str) -> str | int | None:
    """Resolves `trainer.precision=auto` where it is known: bf16-mixed on a GPU from Ampere on, 32-true on others.

    On a CPU it stays `auto`, for `choose_precision`: a flag of the CPU does not tell which is faster.

    Raises:
        CandelabraError: it is a precision for the whole program. Losses are computed in float32 whatever the network
            uses, and half precision would round labels too: 200.6 of a box would be 201 in bfloat16.
    """
    if precision == "auto":
        if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
            return "bf16-mixed" if torch.cuda.get_device_capability()[0] >= 8 else "32-true"
        return "32-true" if accelerator in ("auto", "mps") and torch.backends.mps.is_available() else "auto"
    if precision in ("bf16-true", "16-true", "64-true", "64", 64):
        allowed = "auto, 32-true, bf16-mixed, 16-mixed"
        raise CandelabraError(
            f"trainer.precision={precision} would hold for labels and losses too, which are float32; allowed are "
            f"{allowed}."
        )
    return precision


def choose_precision(make_step: Callable[[], Callable[[int], Any]], most: int, *about: Any) -> str:
    """Measures float32 and bfloat16 on this CPU, once for each computation, and returns the faster one.

    The answer is kept in the folder of caches; processes that ask at the same time measure once.

    Args:
        make_step: -> what is measured, called with a number of images.
        most: images of a step.
        about: plain values that tell this computation from others, such as a config.
    """
    measured = load_measurement(
        "precision", [most, about], ["bfloat16"], lambda: {"bfloat16": measure_bfloat16(make_step(), most)}
    )
    speed = measured["bfloat16"]
    found = "bf16-mixed" if speed >= _GAIN else "32-true"
    log.info("bfloat16 is %.2f times as fast as float32 here: trainer.precision=%s", speed, found)
    return found


def measure_bfloat16(step: Callable[[int], Any], most: int) -> float:
    """The speed of bfloat16 as a multiple of that of float32, from pairs of steps within some 3 seconds.

    Args:
        step: called with a number of images.
        most: images of a step; as many are taken as run in `_STEP_SECONDS`.
    """
    begun = time.perf_counter()
    images = min(2, most)
    step(images)  # allocates, fills caches
    while images < most:  # a network that rounds weights for each step gains by larger batches alone
        fitting = min(int(images * _STEP_SECONDS / measure_step(step, images, "32-true")), most)
        if fitting < 2 * images and fitting < most:
            break
        images = fitting
        step(images)
    measure_step(step, images, "bf16-mixed")
    ratios: list[float] = []
    pair = 0.0  # seconds
    while len(ratios) < _ROUNDS and (not ratios or time.perf_counter() - begun + pair < _SECONDS):
        one, other = (measure_step(step, images, precision) for precision in _CANDIDATES)
        ratios.append(one / other)
        pair = one + other
    return statistics.median(ratios)


def fit_step_images(
    step: Callable[[int], Any], most: int, seconds: float, precision: str, device: torch.device = _CPU
) -> int:
    """How many images make a step that takes about so many seconds, at most `most`; runs two small steps."""
    images = min(2, most)
    measure_step(step, images, precision, device)  # allocates, fills caches
    return min(most, max(images, int(images * seconds / measure_step(step, images, precision, device))))


def measure_step(step: Callable[[int], Any], images: int, precision: str, device: torch.device = _CPU) -> float:
    """The seconds of a step of so many images, in a precision of `trainer.precision`."""
    dtype = AUTOCAST_TYPES.get(precision)
    begun = time.perf_counter()
    with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
        step(images)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
