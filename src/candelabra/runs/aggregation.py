"""Runs beside each other, grouped into rows that differ in more than the seed; nothing heavy is imported."""

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
    """A mean over seeds and their standard deviation, which one seed does not have."""

    mean: float
    deviation: float | None


def parse_number(values: Sequence[float]) -> MetricNumber:
    """Of one value a seed.

    >>> parse_number([1.0, 3.0])
    MetricNumber(mean=2.0, deviation=1.4142135623730951)
    """
    if len(values) < 2:
        return MetricNumber(statistics.fmean(values), None)
    finite = all(math.isfinite(value) for value in values)  # a run that diverged is shown as what it is
    return MetricNumber(statistics.fmean(values), statistics.stdev(values) if finite else math.nan)


@dataclass(frozen=True, eq=False)
class RunRow:
    """Runs that are equal in all but the seed.

    Attributes:
        name: to show.
        runs: one a seed.
        differences: the keys in which rows differ, with this row's value.
    """

    name: str
    runs: Sequence[FinishedRun]
    differences: Mapping[str, str]

    @property
    def keys(self) -> list[str]:
        """The numbers that every run of the row has."""
        return [key for key in self.runs[0].results if all(key in run.results for run in self.runs)]

    @property
    def joint(self) -> bool:
        """Whether several heads learnt, also where the test images have no label of some."""
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
        """One a seed."""
        return [run.results[key] for run in self.runs]

    def number(self, key: str) -> MetricNumber:
        """Over seeds."""
        return parse_number(self.values(key))


def read_rows(given: Iterable[Path]) -> list[RunRow]:
    """One row a configuration, in the order given.

    Args:
        given: folders of runs, or folders that hold such folders.

    Raises:
        CandelabraError: something is no finished run, or the runs were not tested on the same images.
    """
    runs = [read_run(folder) for folder in find_runs(given)]
    check_same_test_set(runs)
    groups = _groups(runs)
    words = diff_configs([group[0].settings for group in groups])
    differences = [{key: column[place] for key, column in words.items()} for place in range(len(groups))]
    names = _names(groups, differences)
    return [RunRow(*parts) for parts in zip(names, groups, differences, strict=True)]


def _groups(runs: Sequence[FinishedRun]) -> list[list[FinishedRun]]:
    """Runs that are equal in all but the seed."""
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


def _names(groups: Sequence[Sequence[FinishedRun]], differences: Sequence[Mapping[str, str]]) -> list[str]:
    """What the folders are called, seeds left out; where that is no word, what was typed, else what differs."""
    names = [_common(group) for group in groups]
    if not all(re.search("[A-Za-z]", name) for name in names):
        typed = _typed([group[0].config.get("words", []) for group in groups])
        full = [" ".join(f"{key}={word}" for key, word in row.items()) for row in differences]
        names = typed if len(set(typed)) == len(names) else full if len(names) > 1 else names
    for name in {name for name in names if names.count(name) > 1}:
        places = [place for place, other in enumerate(names) if other == name]
        words = diff_configs([groups[place][0].settings for place in places])
        for number, place in enumerate(places):
            names[place] = " ".join([name, *(f"{key}={column[number]}" for key, column in words.items())])
    return names


def _typed(words: Sequence[Sequence[str]]) -> list[str]:
    """The words that not all runs were begun with."""
    own = [[word for word in each if not all(word in others for others in words)] for each in words]
    kept = [[word for word in each if parse_key(word) not in ("seed", "folder", "hydra.run.dir")] for each in own]
    return [" ".join(each) or "default" for each in kept]


def _common(group: Sequence[FinishedRun]) -> str:
    """The beginning that the folders of a row share, without what tells the seeds apart."""
    folders = [run.folder.resolve().name for run in group]
    if len(folders) == 1:
        seed = re.escape(str(group[0].config.get("seed")))
        return re.sub(rf"(?<=.)[-_ ](seed[-_ ]?)?{seed}$", "", folders[0])
    common = folders[0]
    while not all(folder.startswith(common) for folder in folders):
        common = common[:-1]
    if any(folder[len(common) :][:1].isdigit() for folder in folders):
        common = common.rstrip("0123456789")  # the 1 of 10 and 11
    return re.sub(r"[-_. ]*(seed)?[-_. ]*$", "", common) or folders[0]
