"""A plug-in runs the contract tests of the package over its own target and head."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_of_a_target_keeps_the_contracts(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--pyargs", "candelabra.contracts", "-v", "-k", "distance"]
    environment = os.environ | {
        "CANDELABRA_PLUGINS": str(ROOT / "examples" / "distance"),
        "CANDELABRA_ACTIVE_PLUGINS": "",
        "PYTHONPATH": str(ROOT / "src"),
    }
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (
        "test_alignment.py::test_a_resized_value_lies_where_its_image_does[distance-Letterbox-48x64] PASSED"
        in done.stdout
    )
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) > 30
