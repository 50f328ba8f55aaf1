"""Concatenates the samples of several data sets; a target that a set lacks is unlabelled in its samples."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue
from candelabra.data.samples import SPLITS, Samples, add_missing_targets, hash_contents
from candelabra.data.targets import Labels, LabelTarget, Target
from candelabra.data.transforms.pipeline import SampleTransforms, TransformPipeline
from candelabra.data.views.merged_targets import merge_targets
from candelabra.errors import CandelabraError
from candelabra.types import Sample

SetParts = Mapping[str, NDArray[np.int64]]


class ConcatSamples(Samples):
    """The samples of one set after another, named <set>/<name>, with the splits of each set.

    Args:
        sets: samples by the name of their set.
        parts: indices of each split of each set.
        issues: of each set.

    Raises:
        CandelabraError: see `merge_labels`.
    """

    def __init__(
        self, sets: Mapping[str, Samples], parts: Mapping[str, SetParts], issues: Mapping[str, Sequence[DataIssue]]
    ) -> None:
        self.labels = merge_labels({name: samples.labels for name, samples in sets.items()})
        self.sets = sets = {name: merge_targets(samples, self.labels) for name, samples in sets.items()}
        self.issues = [each._replace(name=f"{name}/{each.name}") for name in sets for each in issues[name]]
        self.names = [f"{name}/{each}" for name, samples in sets.items() for each in samples.names]
        self.ends = np.cumsum([len(samples) for samples in sets.values()])
        self.published = np.concatenate([_splits(len(sets[name]), parts[name]) for name in sets])
        self.strata = np.concatenate([_strata(samples) for samples in sets.values()])

    def place(self, index: int) -> tuple[str, int]:
        """The name of the set of a sample, and the index of the sample in that set."""
        number = int(np.searchsorted(self.ends, index, side="right"))
        return list(self.sets)[number], index - int(self.ends[number]) + len(list(self.sets.values())[number])

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        name, own = self.place(index)
        return self.sets[name].load(own, least)

    def inspect(self, index: int) -> Sequence[DataIssue]:
        name, own = self.place(index)
        return self.sets[name].inspect(own)

    def original(self, index: int) -> bytes | None:
        name, own = self.place(index)
        return self.sets[name].original(own)

    def digest(self, index: int) -> bytes:
        name, own = self.place(index)
        return hash_contents(name, self.sets[name].digest(own))  # sets may have transforms of their own

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        known = [(len(samples), samples.labelled()) for samples in self.sets.values()]
        return {
            target: np.concatenate([each.get(target, np.zeros(count, dtype=bool)) for count, each in known])
            for target in self.labels.targets
        }

    def shown(self) -> NDArray[np.bool_]:
        target = self.labels.find(LabelTarget)
        classes = len(target.classes) if target else 0
        return np.concatenate(
            [
                samples.shown() if LabelTarget.name in samples.labels else np.zeros((len(samples), classes), dtype=bool)
                for samples in self.sets.values()
            ]
        )


class TransformsBySet(SampleTransforms):
    """The transforms of each set, followed by `AddMissingTargets`.

    Args:
        joined: the samples of all sets.
        pipelines: transforms by the name of a set.
    """

    def __init__(self, joined: ConcatSamples, pipelines: Mapping[str, TransformPipeline]) -> None:
        self.joined = joined
        self.pipelines = {
            name: TransformPipeline(
                [*each.steps, AddMissingTargets(joined.labels)],
                joined.labels.with_min_visible(each.labels.min_visible),
                each.fixed,
                each.least,
                each.labels,
                each.resize,
                each.mosaic,
            )
            for name, each in pipelines.items()
        }
        self.fixed = all(each.fixed for each in pipelines.values())

    def __repr__(self) -> str:
        return f"BySet({', '.join(f'{name}: {each}' for name, each in self.pipelines.items())})"

    def of(self, index: int) -> TransformPipeline:
        return self.pipelines[self.joined.place(index)[0]]


class AddMissingTargets:
    """Adds the targets that a set lacks, as unlabelled.

    Args:
        wanted: the targets of all sets.
    """

    def __init__(self, wanted: Labels) -> None:
        self.wanted = wanted

    def __repr__(self) -> str:
        return f"Blank({', '.join(self.wanted.targets)})"

    def __call__(self, sample: Sample) -> Sample:
        return add_missing_targets(sample, self.wanted)


def merge_labels(labels: Mapping[str, Labels]) -> Labels:
    """Merges the labels of several data sets.

    Raises:
        CandelabraError: two sets label one target in different words that cannot be merged.
    """
    merged: dict[str, Target] = {}
    for (one, first), (other, second) in combinations(labels.items(), 2):
        for name in first:
            if name in second and type(first[name]) is not type(second[name]):
                raise CandelabraError(
                    f"data.sets.{one} and data.sets.{other} both have {name}, but of two kinds; give one another name."
                )
            if name in second and first[name].merge(second[name]) is None:
                mine, theirs = first[name].to_plain(), second[name].to_plain()
                word = next(word for word in mine if mine[word] != theirs[word])
                rest = ",".join(each for each in second if each != name)
                out = f"with data.sets.{other}.targets=[{rest}], say" if rest else f"or leave out data.sets.{other}"
                raise CandelabraError(
                    f"data.sets.{one} and data.sets.{other} label {name} in other words: {word} is "
                    f"{_shorten(mine[word])} in one and {_shorten(theirs[word])} in the other; rename one "
                    f"(data.sets.{other}.rename={{{name}:other_{name}}}, say), or leave it out of one, {out}."
                )
    for each in labels.values():
        for name, target in each.items():
            merged[name] = (merged[name].merge(target) if name in merged else None) or target
    return Labels(*merged.values())


def _splits(count: int, parts: SetParts) -> NDArray[np.str_]:
    splits = np.full(count, "", dtype="<U5")
    for split in SPLITS:
        splits[parts[split]] = split
    return splits


def _strata(samples: Samples) -> NDArray[np.int64]:
    target = samples.labels.find(LabelTarget)
    single = target is not None and not target.multilabel
    return samples.strata if single else np.full(len(samples), -1, np.int64)


def _shorten(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
