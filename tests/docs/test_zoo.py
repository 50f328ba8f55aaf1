"""The model zoo: its pages say what its results are, and training again gives them."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.zoo import ENTRIES, PAGES, read_results, train_entry, write_pages


def test_pages_are_those_of_the_results(tmp_path: Path) -> None:
    kept = tmp_path / "zoo"
    shutil.copytree(PAGES, kept, ignore=shutil.ignore_patterns("*.md"))
    write_pages(kept)
    written = {path.name: path.read_text(encoding="utf-8") for path in kept.glob("*.md")}
    assert written == {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    assert {path.name for path in PAGES.iterdir() if path.is_dir()} == {*ENTRIES}


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", ["pets_segmentation_lite0", "pets_localization_lite0"])
def test_training_again_gives_the_results(name: str, real: Path, tmp_path: Path) -> None:
    train_entry(name, 0, real, tmp_path)
    again = json.loads((tmp_path / name / "seed0.json").read_text())
    for metric in ENTRIES[name].metrics:
        kept = [each[f"test/{metric}"] for each in read_results(name, PAGES)]
        assert min(kept) - 0.03 < again[f"test/{metric}"] < max(kept) + 0.03
