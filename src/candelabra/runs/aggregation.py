"""Group runs into rows that are equal in all but the seed. Imports no torch."""

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.runs.config_diff import diff_configs, find_seeds
from candelabra.runs.folders import FinishedRun, check_same_test_set, find_runs, read_run
from candelabra.runs.head_metrics import is_lower_better
from candelabra.runs.overrides import parse_key


@dataclass(frozen=True)
class MetricNumber:
    """Mean and standard deviation over seeds; the deviation is null for one seed."""

    mean: float
    deviation: float | None


def parse_number(values: Sequence[float]) -> MetricNumber:
    """Return mean and standard deviation of the values of the seeds.

    >>> parse_number([1.0, 3.0])
    MetricNumber(mean=2.0, deviation=1.4142135623730951)
    """
    if len(values) < 2:
        return MetricNumber(statistics.fmean(values), None)
    finite = all(math.isfinite(value) for value in values)  # of a run that diverged, nan is reported
    return MetricNumber(statistics.fmean(values), statistics.stdev(values) if finite else math.nan)


@dataclass(frozen=True, eq=False)
class RunRow:
    """Runs that are equal in all but the seed.

    Attributes:
        name: for display.
        runs: one per seed.
        differences: values of this row for the config keys in which rows differ.
    """

    name: str
    runs: Sequence[FinishedRun]
    differences: Mapping[str, str]

    @property
    def keys(self) -> list[str]:
        """The results that every run of the row has."""
        return [key for key in self.runs[0].results if all(key in run.results for run in self.runs)]

    @property
    def joint(self) -> bool:
        """Whether several heads were trained, even if the test images have no labels of some."""
        return len(self.runs[0].learnt) > 1

    @property
    def heads(self) -> list[str]:
        """The heads whose main metric was measured on test, in the order of the task."""
        return [head for head in self.runs[0].summaries if self.main(head) in self.keys]

    def main(self, head: str) -> str:
        """The name of the main metric of a head."""
        return f"test/{head}/{self.runs[0].summaries[head].main_metric}"

    def is_lower_better(self, head: str) -> bool:
        """Whether lower values of the main metric of a head are better."""
        return is_lower_better(self.main(head), self.runs[0].summaries)

    def values(self, key: str) -> list[float]:
        """Return the value of a result for each seed."""
        return [run.results[key] for run in self.runs]

    def number(self, key: str) -> MetricNumber:
        """Return mean and standard deviation of a result over seeds."""
        return parse_number(self.values(key))


def read_rows(given: Iterable[Path]) -> list[RunRow]:
    """Read finished runs and group them: one row per configuration, in the given order.

    Args:
        given: folders of runs, or folders that contain such folders.

    Raises:
        CandelabraError: a run is not finished, two are equal, or they were not tested on the same images.
    """
    runs = [read_run(folder) for folder in find_runs(given)]
    check_same_test_set(runs)
    groups = _group_by_config(runs)
    words = diff_configs([group[0].settings for group in groups])
    differences = [{key: column[place] for key, column in words.items()} for place in range(len(groups))]
    names = _name_rows(groups, differences)
    return [RunRow(*parts) for parts in zip(names, groups, differences, strict=True)]


def _group_by_config(runs: Sequence[FinishedRun]) -> list[list[FinishedRun]]:
    """Group runs that are equal in all but the seed."""
    groups: list[list[FinishedRun]] = []
    for run in runs:
        group = next((group for group in groups if not diff_configs([group[0].settings, run.settings])), None)
        if group is None:
            groups.append([run])
            continue
        twin = next((other for other in group if find_seeds(other.config) == find_seeds(run.config)), None)
        if twin:
            raise CandelabraError(
                f"{twin.folder} and {run.folder} are one run twice: their configs and seeds are equal; leave one out."
            )
        group.append(run)
    return groups


def _name_rows(groups: Sequence[Sequence[FinishedRun]], differences: Sequence[Mapping[str, str]]) -> list[str]:
    """Name rows by their folders without seeds; if a name has no letter, by the overrides, else by differing keys."""
    names = [_strip_seed(group) for group in groups]
    if not all(re.search("[A-Za-z]", name) for name in names):
        typed = _format_overrides([group[0].config.get("words", []) for group in groups])
        full = [" ".join(f"{key}={word}" for key, word in row.items()) for row in differences]
        names = typed if len(set(typed)) == len(names) else full if len(names) > 1 else names
    for name in {name for name in names if names.count(name) > 1}:
        places = [place for place, other in enumerate(names) if other == name]
        words = diff_configs([groups[place][0].settings for place in places])
        for number, place in enumerate(places):
            names[place] = " ".join([name, *(f"{key}={column[number]}" for key, column in words.items())])
    return names


def _format_overrides(words: Sequence[Sequence[str]]) -> list[str]:
    """Format the overrides of each run that are not common to all runs."""
    own = [[word for word in each if not all(word in others for others in words)] for each in words]
    kept = [[word for word in each if parse_key(word) not in ("seed", "folder", "hydra.run.dir")] for each in own]
    return [" ".join(each) or "default" for each in kept]


def _strip_seed(group: Sequence[FinishedRun]) -> str:
    """Return the common prefix of the folder names of a row, without the seed."""
    folders = [run.folder.resolve().name for run in group]
    if len(folders) == 1:
        seed = re.escape(str(group[0].config.get("seed")))
        return re.sub(rf"(?<=.)[-_ ](seed[-_ ]?)?{seed}$", "", folders[0])
    common = folders[0]
    while not all(folder.startswith(common) for folder in folders):
        common = common[:-1]
    if any(folder[len(common) :][:1].isdigit() for folder in folders):
        common = common.rstrip("0123456789")  # otherwise folders 10 and 11 keep a 1
    return re.sub(r"[-_. ]*(seed)?[-_. ]*$", "", common) or folders[0]
