"""The site of the documentation, built in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT


def build_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Builds the site as `make docs` does, into a folder."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = next(line for line in makefile.splitlines() if "-m sphinx" in line)
    options = line.split("-m sphinx")[1].replace("docs/_build", "").split()[:-1]
    command = [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "trees"), "docs", str(folder / "html")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
