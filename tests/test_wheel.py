"""The wheel carries conf/ and works from any folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = [sys.executable, "-m", "uv"]


@pytest.mark.slow
def test_an_installed_wheel_trains_from_any_folder(tmp_path: Path) -> None:
    subprocess.run([*UV, "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(ROOT)], check=True)
    wheel = next(tmp_path.glob("*.whl"))
    target = tmp_path / "installed"  # comes before this environment's own candelabra
    install = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run([*UV, *install], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True).stdout

    assert run("-c", "import candelabra.environment as e; print(e.CONFIG_FOLDER)").strip() == str(
        target / "candelabra" / "conf"
    )
    small = ["trainer=smoke", "trainer.accelerator=cpu", "data.count=60", "data.size=64", "hydra.run.dir=run"]
    assert "results of the best checkpoint" in run("-m", "candelabra", "train", *small)
    assert (folder / "run" / "results.json").is_file()
