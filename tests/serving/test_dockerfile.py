"""The Dockerfile installs what the extras `runtime` and `serve` need, in no older versions."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_dockerfile_installs_what_serving_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    decoding = [each for each in project["dependencies"] if re.match("numpy|pillow|simplejpeg", each)]
    needed = {*decoding, *extras["runtime"], *(each for each in extras["serve"] if not each.startswith("candelabra"))}
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r'"([a-z-]+>=[\d.]+)"', text)) == needed
