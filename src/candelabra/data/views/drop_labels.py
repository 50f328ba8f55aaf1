"""Drops some of the labels of training images, to train as if few images were labelled: `data.labelled`."""

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.targets import Labels, LabelTarget, list_target_classes
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Sample

LabelShares = float | Mapping[str, float]


def check_label_shares(labelled: LabelShares) -> None:
    """Checks the value of `data.labelled`.

    Raises:
        CandelabraError: a target is not known, or a share is not above 0 and at most 1.
    """
    for target, share in labelled.items() if isinstance(labelled, Mapping) else [("", labelled)]:
        known = list_target_classes()
        if target and target not in known:
            raise CandelabraError(f"data.labelled names {target}; allowed are {list_nearest(target, known)}.")
        if not 0 < share <= 1:
            raise CandelabraError(
                f"data.labelled{target and '.'}{target}={share} must be a share above 0 and at most 1."
            )


def drop_labels(samples: Samples, training: NDArray[np.int64], labelled: LabelShares, seed: int) -> Samples:
    """Drops labels of training images so that each target keeps a share of them; see `DatasetOptions`.

    Args:
        samples: of all splits.
        training: indices of the samples that may lose labels.
        labelled: share of the labels to keep, above 0 and at most 1; or one share by target.
        seed: equal seeds keep the labels of the same images; a larger share keeps those of a smaller one too.

    Raises:
        CandelabraError: `labelled` names a target that these samples do not have.
    """
    targets = samples.labels.targets
    shares = labelled if isinstance(labelled, Mapping) else dict.fromkeys(targets, labelled)
    for target in shares:
        if target not in targets:
            raise CandelabraError(f"data.labelled names {target}; these data label {list_nearest(target, targets)}.")
    if all(share == 1 for share in shares.values()):
        return samples
    known = samples.labelled()
    kept = {target: known[target].copy() for target in known}
    for target, share in shares.items():
        pool = training[known[target][training]]
        order = np.random.default_rng((seed, samples.labels[target].draw_seed)).permutation(len(pool))
        kept[target][pool[order[max(1, round(share * len(pool))) :]]] = False
    return DropLabels(samples, kept)


class DropLabels(SampleView):
    """A view of samples in which some values of targets are unlabelled.

    Args:
        samples: the samples behind the view.
        kept: (n,) bool for each target, which samples keep its label.
    """

    def __init__(self, samples: Samples, kept: Mapping[str, NDArray[np.bool_]]) -> None:
        super().__init__(samples, samples.labels)
        self.kept = kept
        known = samples.labelled()
        self.hidden = {target: known[target] & ~kept[target] for target in known}

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return self.kept

    def shown(self) -> NDArray[np.bool_]:
        return self.samples.shown() & self.kept[LabelTarget.name][:, None]

    def digest(self, index: int) -> bytes:
        hidden = self._hidden_targets(index)
        content = self.samples.digest(index)
        return hash_contents(content, *hidden) if hidden else content

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        sample = self.samples.load(index, least)
        values = sample
        for target in self._hidden_targets(index):
            values[target] = self.labels[target].blank_like(values[target])
        return sample

    def _hidden_targets(self, index: int) -> list[str]:
        return [target for target, hidden in self.hidden.items() if hidden[index]]


def blank_targets(sample: Sample, labels: Labels) -> Sample:
    """A sample, or a batch of them, without any label."""
    values = sample
    blank = {name: target.blank_like(values[name]) for name, target in labels.items() if name in values}
    return cast(Sample, {**values, **blank})
