"""Systems that lack what Linux has: cores are counted, commands are imported, a data set is checked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from candelabra.environment import choose_start_method, count_usable_cores, list_stop_signals

WITHOUT = """
import filelock, lightning, os, psutil, sys, timm  # libraries go by the name of the system
for name in ("sched_getaffinity", "sched_setaffinity", "fork"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules["fcntl"] = sys.modules["resource"] = None
from candelabra.cli.help import COMMANDS
from candelabra.cli.main import main
for command in COMMANDS:
    __import__(f"candelabra.commands.{command}")
sys.argv = ["candelabra", *sys.argv[1:]]
main()
"""


def test_cores_and_workers_without_affinity_and_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_usable_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert count_usable_cores() == 6
    assert choose_start_method(0) is None
    monkeypatch.delattr(os, "fork", raising=False)
    assert choose_start_method(2) is None
    assert list_stop_signals(slurm=False) == [signal.SIGTERM, signal.SIGINT]


def test_check_works_where_the_system_has_no_affinity_no_fork_and_no_fcntl(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            Image.effect_noise((40, 40), 90).save(tmp_path / "photos" / name / f"{number}.png")
    words = ["check", "data=folder", "data.root=photos", "data.workers=0", "hydra.run.dir=checked"]
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    assert ran.returncode in (0, 1)
    assert (tmp_path / "checked" / "check.html").is_file()
