"""Milliseconds a picture of a checkpoint and of what it is exported to, batch after batch in turn.

    python -m benchmarks.export runs/first exported/model.onnx exported/int8/model.onnx [--size 480x640] [--compile]

Each way answers the same pictures, with the resize inside (pictures of the given size) and without it (pictures of the
size of the network). The ways take turns, round after round, so that what else the machine does falls on all of them;
the ratio to eager torch is the median of the ratios of the rounds.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.prediction.model import Model as TrainedModel
from candelabra.runtime.description import read_description
from candelabra.runtime.sessions import open_session
from candelabra.tasks.preprocessing import read_trained_resize

Pixels = NDArray[np.uint8]
Way = Callable[[Pixels], object]


def make_eager(trained: TrainedModel, inside: bool, compiled: bool) -> Way:
    """The checkpoint in torch, in float32; with the resize of evaluation where it is asked for."""
    task = trained.task
    resize = make_resize(read_trained_resize(task.recipe["config"]["data"]), trained.size)
    pipeline = make_eval_transforms(resize)
    network = torch.compile(task.predictions) if compiled else task.predictions

    def run(pictures: Pixels) -> object:
        with torch.inference_mode():
            if not inside:
                return network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
            images = [pipeline(make_sample(image_to_tensor(each)))["image"] for each in pictures]
            return network(torch.stack(images))

    return run


def make_exported(path: Path, threads: int) -> Way:
    """An exported file in its runtime."""
    session = open_session(path, threads)
    names = list(read_description(path).answers)
    return lambda pictures: session.run(pictures, names)


def measure(ways: Mapping[str, Way], pictures: Pixels, rounds: int) -> dict[str, dict[str, float]]:
    """Runs all ways in turn.

    Returns:
        For each way the median milliseconds a picture, and how many times faster than the first way it is.
    """
    for way in ways.values():
        way(pictures), way(pictures)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(pictures)
            taken[name].append((time.perf_counter() - begun) * 1000 / len(pictures))
    first = taken[next(iter(ways))]
    return {
        name: {
            "ms": round(statistics.median(values), 2),
            "times": round(statistics.median(a / b for a, b in zip(first, values, strict=True)), 2),
        }
        for name, values in taken.items()
    }


def main() -> None:
    """Prints a line of JSON for each batch size, with and without the resize."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--size", default="480x640")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    trained = TrainedModel(given.run, "cpu", "32-true")
    height, width = map(int, given.size.split("x"))
    draw = np.random.default_rng(0)
    compiler = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    if given.compile and not compiler:
        print("compile is left out: torch.compile needs g++ or clang++", file=sys.stderr)
    for inside in (False, True):
        ways = {"eager": make_eager(trained, inside, compiled=False)}
        if given.compile and compiler:
            ways["compile"] = make_eager(trained, inside, compiled=True)
        ways |= {str(path): make_exported(path, given.threads) for path in given.models}
        shape = (height, width) if inside else trained.size
        for batch in (1, 8):
            pictures = draw.integers(0, 256, (batch, *shape, 3), dtype=np.uint8)
            found = measure(ways, pictures, given.rounds)
            print(json.dumps({"resize": inside, "batch": batch, "size": shape, **found}), flush=True)


if __name__ == "__main__":
    main()
