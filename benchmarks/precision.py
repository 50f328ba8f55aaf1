"""What `trainer.precision=auto` chooses on this CPU against each precision, and how long the choice takes."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.config.precision import AUTOCAST_TYPES, choose_precision
from candelabra.data import DataModule, Shapes
from candelabra.environment import CACHE_VARIABLE, keep_freed_memory
from candelabra.finetuning import Full
from candelabra.tasks import Classification
from candelabra.training.precision import make_trial_step
from candelabra.training.trial_steps import make_trial_batches

NETWORKS = {"resnet18": 224, "tf_efficientnet_lite0": 224, "mobilenetv3_large_100": 128, "test_resnet": 64}


def measure_speed(step: Callable[[int], None], images: int, precision: str) -> float:
    """Images a second of one step."""
    dtype = AUTOCAST_TYPES.get(precision)
    begun = time.perf_counter()
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        step(images)
    return images / (time.perf_counter() - begun)


def main() -> None:
    """Chooses for several networks, then runs whole batches in turns in both precisions."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--batch", type=int, default=32)
    given = arguments.parse_args()
    keep_freed_memory()  # as `candelabra train` does
    rows: dict[str, list[float]] = {}
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        for name, size in NETWORKS.items():
            data = DataModule(Shapes(count=60, canvas=size), size=size, batch_size=given.batch)
            task = Classification(Timm(name, weights="none"), data.labels, finetune=Full())
            step = make_trial_step(task, make_trial_batches(data))
            for word in ("choice", "choice again"):
                begun = time.perf_counter()
                chosen = choose_precision(lambda step=step: step, given.batch, name)  # type: ignore[misc]
                rows[f"{name}, {word}, s"] = [time.perf_counter() - begun]
            run = partial(measure_speed, step, given.batch)
            turns = [{word: run(word) for word in ("32-true", "bf16-mixed")} for _ in range(given.runs)]
            for word in turns[0]:
                rows[f"{name}, {word}, images/s"] = [turn[word] for turn in turns]
            rows[f"{name}: {chosen} / the best"] = [turn[chosen] / max(turn.values()) for turn in turns]
            shares.append(statistics.median(rows[f"{name}: {chosen} / the best"]))
    report("the precision that is chosen on this CPU", rows, ("ratio", min(shares)), given.json)


if __name__ == "__main__":
    main()
