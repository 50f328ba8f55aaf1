"""Systems that lack what Linux has: cores are counted, commands are imported, a data set is checked."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from candelabra.environment import choose_start_method, count_usable_cores, list_stop_signals
from tests.forked import run_forked


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
    ran = run_forked(words, tmp_path, hidden=["fcntl", "resource"], module="tests.bare_system")
    assert "Traceback" not in ran.stderr, ran.stderr
    assert ran.returncode in (0, 1)
    assert (tmp_path / "checked" / "check.html").is_file()


FAULTS = """
import resource, sys
from candelabra.environment import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = bytearray(40_000_000)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_page_faults(word: str, **variables: str) -> int:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    run = [sys.executable, "-c", FAULTS, word]
    return int(subprocess.check_output(run, text=True, env=environment | variables))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone gives memory back at once")
def test_memory_that_was_freed_is_used_again_unless_the_user_says_otherwise() -> None:
    usual = count_page_faults("usual")
    if usual < 100:
        pytest.skip("this system does not count page faults")
    assert count_page_faults("keep") < usual / 5
    assert count_page_faults("keep", MALLOC_TRIM_THRESHOLD_="131072") > usual / 2
