"""Two processes end where one does on the same global batches, in every task, and measure what one does."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.forked import run_forked
from tests.training.ranks import CASES, ROUNDING, train_case

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
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        for case in cases:
            for noise in (0.0, ROUNDING):
                train_case(case, 1, noise, folder)
        torch.set_num_threads(threads)
    run = run_forked(["2", str(folder), *cases], folder, module="tests.training.ranks")
    assert run.returncode == 0, run.stderr
    (folder / "said-2").write_text(run.stdout)


def found(folder: Path, case: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """One process; one whose initial weights were rounded otherwise; two."""
    one, rounded, two = (
        torch.load(folder / f"{case}-{run}.pt", weights_only=True) for run in ("1-0", f"1-{ROUNDING:g}", "2-0")
    )
    return one, rounded, two


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((value.float() - other[key].float()).abs().max()) for key, value in one.items())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", SHARED)
def test_two_processes_end_in_the_weights_of_one(case: str, trained: Callable[[str], Path]) -> None:
    """They differ by no more than those of one process do when its initial weights are rounded otherwise."""
    one, rounded, two = found(trained(case), case)
    noise = furthest(one["weights"], rounded["weights"])  # one draw of it: it may be several times as large
    assert furthest(one["weights"], two["weights"]) <= 10 * noise + 1e-6
    apart = [line.split() for line in (trained(case) / "said-2").read_text().splitlines() if line.startswith("APART")]
    found_apart = {name: float(difference) for _, name, difference in apart}
    assert found_apart.get(case) == (None if case == "sharded" else 0.0)  # each process has a part of the weights


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", SHARED)
def test_two_processes_measure_what_one_does_though_their_shares_are_uneven(
    case: str, trained: Callable[[str], Path]
) -> None:
    """Each sample counts once; two processes of 15 images have one batch of theirs and one of a sample less."""
    one, rounded, two = (each["measured"] for each in found(trained(case), case))
    counts = {key: float(value) for key, value in one.items() if key.endswith("/count")}
    assert counts == {key: float(two[key]) for key in counts}
    assert set(counts.values()) == {359.0 if case == "ordinal" else 15.0}  # digits have a fixed number
    if case in COMPARING:
        one, rounded, two = (
            {key: value for key, value in each.items() if "loss" not in key} for each in (one, rounded, two)
        )
    assert furthest(one, two) <= 5 * furthest(one, rounded) + 1e-5
    for key, table in found(trained(case), case)[0]["tables"].items():
        two_sum = float(found(trained(case), case)[2]["tables"][key].sum())
        assert two_sum == pytest.approx(float(table.sum()), rel=1e-6)
