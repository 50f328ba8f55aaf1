"""Two processes end where one does on the same global batches, in every task, and measure what one does."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.forked import run_forked
from tests.training.ranks import CASES, train_case

# Units that rounding switches on or off move their weights a hundred times as far as rounding does alone, in one run of
# three: further runs of one process are rounded otherwise, until one goes far enough.
DRAWS = {"flow": 8, "numbers": 8}
FAST = ("multitask",)  # partial labels of several heads; the other cases are slow
# Their loss of a batch is no mean over its samples, or weighs them by one another, and ranks evaluate alone.
COMPARING = ("balanced", "embedding", "per_class", "pretraining")
SHARED = [case if case in FAST else pytest.param(case, marks=pytest.mark.slow) for case in CASES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trains a case on one process and on two, once; the slow cases all together."""
    folders: dict[bool, Path] = {}

    def train(case: str) -> Path:
        fast = case in FAST
        if fast not in folders:
            folders[fast] = tmp_path_factory.mktemp("ranks")
            _train(folders[fast], [name for name in CASES if (name in FAST) is fast])
        return folders[fast]

    return train


def _train(folder: Path, cases: Sequence[str]) -> None:
    for case in cases:
        _train_alone(case, 0, folder)
    run = run_forked(["2", str(folder), *cases], folder, module="tests.training.ranks")
    assert run.returncode == 0, run.stderr
    (folder / "said-2").write_text(run.stdout)


def _train_alone(case: str, seed: int, folder: Path) -> None:
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        train_case(case, 1, seed, folder)
        torch.set_num_threads(threads)


def load(folder: Path, case: str, devices: int, seed: int = 0) -> dict[str, Any]:
    """What so many processes ended with; trains one whose initial weights are rounded otherwise, if it is not there."""
    file = folder / f"{case}-{devices}-{seed}.pt"
    if seed and not file.exists():
        _train_alone(case, seed, folder)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def is_rounding(
    folder: Path, case: str, select: Callable[[dict[str, Any]], dict[str, Tensor]], factor: float, least: float
) -> bool:
    """Whether two processes are no further from one than so many times one is from itself, rounded otherwise."""
    one, two = (select(load(folder, case, devices)) for devices in (1, 2))
    apart = furthest(one, two)
    runs = (select(load(folder, case, 1, seed)) for seed in range(1, DRAWS.get(case, 1) + 1))
    return any(apart <= factor * furthest(one, rounded) + least for rounded in runs)


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((value.float() - other[key].float()).abs().max()) for key, value in one.items())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", SHARED)
def test_two_processes_end_in_the_weights_of_one(case: str, trained: Callable[[str], Path]) -> None:
    """They differ by no more than those of one process do when its initial weights are rounded otherwise."""
    assert is_rounding(trained(case), case, lambda run: run["weights"], 10, 1e-6)
    apart = [line.split() for line in (trained(case) / "said-2").read_text().splitlines() if line.startswith("APART")]
    found_apart = {name: float(difference) for _, name, difference in apart}
    assert found_apart.get(case) == (None if case == "sharded" else 0.0)  # each process has a part of the weights


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", SHARED)
def test_two_processes_measure_what_one_does_though_their_shares_are_uneven(
    case: str, trained: Callable[[str], Path]
) -> None:
    """Each sample counts once; two processes of 15 images have one batch of theirs and one of a sample less."""

    def select(run: dict[str, Any]) -> dict[str, Tensor]:
        return {key: value for key, value in run["measured"].items() if case not in COMPARING or "loss" not in key}

    one, two = (load(trained(case), case, devices) for devices in (1, 2))
    counts = {key: float(value) for key, value in one["measured"].items() if key.endswith("/count")}
    assert counts == {key: float(two["measured"][key]) for key in counts}
    assert set(counts.values()) == {359.0 if case == "ordinal" else 15.0}  # digits have a fixed number
    assert is_rounding(trained(case), case, select, 5, 1e-5)

    def sum_tables(run: dict[str, Any]) -> dict[str, Tensor]:
        return {key: run["tables"][key].sum() / table.sum() for key, table in one["tables"].items()}

    assert not one["tables"] or is_rounding(trained(case), case, sum_tables, 5, 1e-6)
