"""Nothing imports upward, and there is no cycle: the contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_layers_are_kept() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
