"""Find the folders of runs and read finished runs. Imports no torch."""

import csv
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.runs.config_diff import flatten_settings
from candelabra.runs.head_metrics import HEADS_KEY, HeadSummaries, parse_head_summaries
from candelabra.runs.overrides import resolve_run_folder
from candelabra.storage.documents import load_json, load_yaml
from hydra_plugins.candelabra_sweeper.jobs import SWEEP

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run.

    Attributes:
        folder: as given.
        config: resolved, of plain values.
        settings: the config without seeds and keys that do not change results.
        tested: names of the test images.
        results: numbers by name, `test/<head>/<metric>` and others.
        summaries: how the metrics of each head are read.
    """

    folder: Path
    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    tested: frozenset[str]
    results: Mapping[str, float]
    summaries: HeadSummaries

    @property
    def heads(self) -> list[str]:
        """The heads with metrics on test."""
        return self._list_measured("test")

    @property
    def learnt(self) -> list[str]:
        """The heads with metrics on validation or test."""
        return self._list_measured("val", "test")

    def _list_measured(self, *splits: str) -> list[str]:
        keys = [key.split("/") for key in self.results]
        return list(dict.fromkeys(key[1] for key in keys if len(key) == 3 and key[0] in splits))


def find_runs(given: Iterable[Path]) -> list[Path]:
    """Return the folders of runs, each once.

    Args:
        given: folders or checkpoints of runs, or folders that contain runs one or two levels below. Of a sweep, only
            jobs with results are returned, as some may have failed.

    Raises:
        CandelabraError: a folder is not a run and contains none, or nothing is given.
    """
    found: dict[Path, Path] = {}
    for path in given:
        folder = resolve_run_folder(path) if path.suffix == ".ckpt" else path
        inside = [folder] if (folder / "config.yaml").is_file() else _find_inside(folder)
        if not inside:
            raise CandelabraError(
                f"{path} is no run and holds none: there is no config.yaml; give a folder that candelabra train wrote."
            )
        for run in inside:
            found.setdefault(run.resolve(), run)
    if not found:
        raise CandelabraError(
            "No run is given; give folders that candelabra train wrote, or a folder that contains them."
        )
    return list(found.values())


def _find_inside(folder: Path) -> list[Path]:
    files = [*folder.glob("*/config.yaml"), *folder.glob("*/*/config.yaml")]
    runs = sorted((file.parent for file in files), key=lambda run: [_natural_sort_key(part) for part in run.parts])
    left = [run for run in runs if (run.parent / SWEEP).is_file() and not (run / "results.json").is_file()]
    if not left or left == runs:
        return runs
    log.warning("jobs of a sweep without results are left out: %s", ", ".join(map(str, left)))
    return [run for run in runs if run not in left]


def _natural_sort_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers in names by value: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def read_run(folder: Path) -> FinishedRun:
    """Read a finished run.

    Raises:
        CandelabraError: the run is not finished, or a file cannot be read.
    """
    if not (folder / "results.json").is_file():
        raise CandelabraError(
            f"{folder} is not finished: it has no results.json; resume it with candelabra train resume={folder}, or "
            "leave it out."
        )
    import yaml

    try:
        config = load_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
        results = load_json((folder / "results.json").read_text(encoding="utf-8"))
        with (folder / "splits.csv").open(newline="", encoding="utf-8") as file:
            tested = frozenset(row["name"] for row in csv.DictReader(file) if row["split"] == "test")
        if HEADS_KEY not in results:
            raise ValueError(f"results.json has no {HEADS_KEY!r}, as those of older versions")
        summaries = parse_head_summaries(results.pop(HEADS_KEY))
        numbers = {key: float(value) for key, value in results.items() if value is not None}
        return FinishedRun(folder, config, flatten_settings(config), tested, numbers, summaries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CandelabraError(f"{folder} cannot be read as a run ({problem}); leave it out.") from error


def check_same_test_set(runs: Sequence[FinishedRun]) -> None:
    """Check that runs were tested on the same images, as metrics of different images are not comparable.

    Raises:
        CandelabraError: the test splits differ, or a head was measured on more samples in one run than in another.
    """
    counted: dict[str, FinishedRun] = {}
    for run in runs:
        differ = len(runs[0].tested ^ run.tested)
        if differ:
            raise CandelabraError(
                f"{runs[0].folder} and {run.folder} were tested on different images: {differ} are in the test split of "
                "one alone; compare runs of one split (equal data, data.split, data.split_seed, data.val, data.test)."
            )
        for key, value in run.results.items():
            if not (key.startswith("test/") and key.endswith("/count")):
                continue
            other = counted.setdefault(key, run)
            if other.results[key] != value:
                raise CandelabraError(
                    f"{other.folder} and {run.folder} were tested on different labels: {key} is "
                    f"{other.results[key]:.0f} in one and {value:.0f} in the other; test both on the same labels."
                )
