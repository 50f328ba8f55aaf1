"""Training steps with glibc as it is, and told to keep freed memory, as the commands of candelabra tell it.

Each number is of a process of its own, both in turn.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median

from benchmarks.reporting import parser, report

CASES = ("efficientnet_lite0 224", "efficientnet_lite0 96", "resnet18 224")
SECONDS = 6.0  # of steps that are counted
MEASURES = ("images/s", "page faults a step, thousands", "peak memory, GB")


def measure_steps(name: str, size: int, batch: int, keep: bool) -> list[float]:
    """The numbers of `MEASURES` for steps of a backbone with random weights in float32, in this process."""
    import torch

    from candelabra.backbones import Timm
    from candelabra.environment import keep_freed_memory

    if keep:
        keep_freed_memory()
    torch.manual_seed(0)
    network = Timm(name, weights="none").train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)

    def step() -> None:
        network(images).final.mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(3):
        step()
    before, begun, steps = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter(), 0
    while (seconds := time.perf_counter() - begun) < SECONDS:
        step()
        steps += 1
    after = resource.getrusage(resource.RUSAGE_SELF)
    faults = (after.ru_minflt - before.ru_minflt) / steps / 1000
    return [steps * batch / seconds, faults, after.ru_maxrss / 1e6]


def start_process(case: str, batch: int, word: str) -> list[float]:
    """`measure_steps` in a process of its own."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.allocator",
        "--process",
        *case.split(),
        str(batch),
        word,
    ]
    numbers: list[float] = json.loads(subprocess.check_output(command, text=True))
    return numbers


def main() -> None:
    """All cases in turns, or the numbers of one process as JSON."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--process", nargs=4, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.process:
        name, size, batch, word = given.process
        print(json.dumps(measure_steps(name, int(size), int(batch), word == "kept")))
        return
    rows: dict[str, list[float]] = {}
    shares = []
    for case in CASES:
        turns = [{w: start_process(case, given.batch, w) for w in ("as it is", "kept")} for _ in range(given.runs)]
        for place, measure in enumerate(MEASURES):
            rows |= {f"{case}, {word}, {measure}": [turn[word][place] for turn in turns] for word in turns[0]}
        rows[f"{case}: kept / as it is"] = [turn["kept"][0] / turn["as it is"][0] for turn in turns]
        shares.append(median(rows[f"{case}: kept / as it is"]))
    report("training steps by what glibc does with freed memory", rows, ("ratio", min(shares)), given.json)


if __name__ == "__main__":
    main()
