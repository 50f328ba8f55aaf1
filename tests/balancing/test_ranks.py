"""Two real processes, one of which never sees a mask: they agree with each other, and with one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.balancing.problem import BALANCES
from tests.balancing.ranks import EPOCHS


@pytest.mark.slow
def test_two_ranks_are_one_process_under_every_balance(tmp_path: Path) -> None:
    printed = {}
    for devices in (1, 2):
        command = [sys.executable, "-W", "ignore", "-m", "tests.balancing.ranks", str(devices), str(tmp_path)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        assert run.returncode == 0, run.stderr
        printed[devices] = [line.split() for line in run.stdout.splitlines() if line.startswith("EQUAL")]
    apart = {name: [float(line[3]) for line in printed[2] if line[1] == name] for name in BALANCES}
    assert apart == {name: [0.0] * EPOCHS for name in BALANCES}
    for name in BALANCES:
        one, two = (torch.load(tmp_path / f"{name}-{devices}.pt", weights_only=True) for devices in (1, 2))
        for key, value in one["state"].items():
            assert torch.allclose(value.float(), two["state"][key].float(), rtol=2e-3, atol=2e-4, equal_nan=True), (
                name,
                key,
            )
        assert one["logged"].keys() == two["logged"].keys()
        for key, number in one["logged"].items():
            assert two["logged"][key] == pytest.approx(number, rel=5e-3, abs=2e-3), (name, key)
        assert one["logged"]["val/mask/count"] == 8
