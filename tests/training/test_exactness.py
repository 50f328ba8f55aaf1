"""Two processes end where one does on the same global batches, in every task, and measure what one does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.ranks import CASES, ROUNDING


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases on one process, and on two."""
    folder = tmp_path_factory.mktemp("ranks")
    for processes in (1, 2):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.training.ranks", f"{processes}", str(folder)],
            capture_output=True,
            text=True,
            timeout=550,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )
        assert run.returncode == 0, run.stderr
        (folder / f"said-{processes}").write_text(run.stdout)
    return folder


def found(folder: Path, case: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """One process; one whose initial weights were rounded otherwise; two."""
    one, rounded, two = (
        torch.load(folder / f"{case}-{run}.pt", weights_only=True) for run in ("1-0", f"1-{ROUNDING:g}", "2-0")
    )
    return one, rounded, two


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((value.float() - other[key].float()).abs().max()) for key, value in one.items())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_in_the_weights_of_one(case: str, trained: Path) -> None:
    """They differ by no more than those of one process do when its initial weights are rounded otherwise."""
    one, rounded, two = found(trained, case)
    noise = furthest(one["weights"], rounded["weights"])  # one draw of it: it may be several times as large
    assert furthest(one["weights"], two["weights"]) <= 10 * noise + 1e-6
    apart = [line.split() for line in (trained / "said-2").read_text().splitlines() if line.startswith("APART")]
    assert {name: float(difference) for _, name, difference in apart}.get(case, 0.0) == 0.0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_measure_what_one_does_though_their_shares_are_uneven(case: str, trained: Path) -> None:
    """Each sample counts once; two processes of 15 images have one batch of theirs and one of a sample less."""
    one, rounded, two = (each["measured"] for each in found(trained, case))
    counts = {key: float(value) for key, value in one.items() if key.endswith("/count")}
    assert counts == {key: float(two[key]) for key in counts}
    assert set(counts.values()) == {15.0}
    assert furthest(one, two) <= 5 * furthest(one, rounded) + 1e-5
    for key, table in found(trained, case)[0]["tables"].items():
        assert float(found(trained, case)[2]["tables"][key].sum()) == float(table.sum())
