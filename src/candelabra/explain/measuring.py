"""Measures methods of explanation on the labelled images of a data set."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

import torch

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.explanation import AUTO_LAYER, explain_image
from candelabra.explain.loading import make_network, scale_image
from candelabra.explain.measures import compute_rank_correlation, is_pointing_inside, measure_curves, measure_drop
from candelabra.explain.methods import METHODS, ExplainSettings
from candelabra.explain.network import HeadNetwork, ScoredNetwork
from candelabra.explain.randomisation import copy_with_random_weights
from candelabra.heads import Head, NoAnswer
from candelabra.prediction.model import Model
from candelabra.types import Sample

log = logging.getLogger(__name__)
LARGEST_CORRELATION = 0.2  # with a random network, of a method that passes
POINTING, CURVES, DROP, RANDOMISED = MEASURES = ("pointing", "curves", "drop", "randomised")


@dataclass
class MethodMeasures:
    """What was measured of one method; each list has a value for each image where it could be.

    Attributes:
        pointing: whether the map points into the labelled region.
        insertion, deletion, drop: see `measure_curves` and `measure_drop`.
        randomised: rank correlations with the maps of a random network.
    """

    method: str
    pointing: list[float] = field(default_factory=list)
    insertion: list[float] = field(default_factory=list)
    deletion: list[float] = field(default_factory=list)
    drop: list[float] = field(default_factory=list)
    randomised: list[float] = field(default_factory=list)

    def summarize(self) -> dict[str, float | None]:
        """Means by name; null where nothing was measured."""
        names = ("pointing", "insertion", "deletion", "drop", "randomised")
        means = {name: fmean(getattr(self, name)) if getattr(self, name) else None for name in names}
        both = means["insertion"] is not None and means["deletion"] is not None
        gap = fmean(i - d for i, d in zip(self.insertion, self.deletion, strict=True)) if both else None
        return {"pointing": means["pointing"], "insertion - deletion": gap, **means}

    @property
    def fails(self) -> bool:
        """Whether the method explains a random network much as the trained one."""
        return bool(self.randomised) and fmean(self.randomised) > LARGEST_CORRELATION


def measure_methods(
    model: Model,
    head: Head,
    samples: Iterable[Sample],
    labels: Labels,
    methods: Sequence[str],
    within: str | None = None,
    layer: str = AUTO_LAYER,
    measures: Sequence[str] = MEASURES,
    settings: ExplainSettings | None = None,
) -> list[MethodMeasures]:
    """Measures methods on the answers of a head; the best by insertion less deletion, or else by pointing, first.

    Args:
        model: see `load_explained`.
        head: of it.
        samples: prepared, not augmented.
        labels: targets of the samples.
        methods: keys of `METHODS`.
        within: the target whose region maps should point into; null for that of the head, or the first that has one.
        layer: see `explain_image`.
        measures: some of `MEASURES`.
        settings: of the methods.

    Raises:
        CandelabraError: the data label no such target.
    """
    if within is not None and within not in labels:
        known = list_nearest(within, labels)
        raise CandelabraError(f"within={within} is not labelled by these data; allowed are {known}.")
    results = {method: MethodMeasures(method) for method in methods}
    random = None
    if RANDOMISED in measures:
        random = _RandomCopy(copy_with_random_weights(model.backbone), copy_with_random_weights(head))
    for sample in samples:
        image = scale_image(sample["image"], model.device)
        try:
            network = make_network(model, head, image)
        except NoAnswer:
            continue
        found = explain_image(network, image, methods, [layer], settings)
        region = _find_region(sample, labels, head, within)
        for each in found:
            _measure_map(results[each.method], network, image, each.heat, region, measures)
        if random is not None:
            used = next((each.layer for each in found if METHODS[each.method].layered), layer)
            others = explain_image(_explain_random(random, network.words, image), image, methods, [used], settings)
            for one, other in zip(found, others, strict=True):
                results[one.method].randomised.append(compute_rank_correlation(one.heat, other.heat))
    return sorted(results.values(), key=_rank, reverse=True)


def _measure_map(
    result: MethodMeasures,
    network: ScoredNetwork,
    image: torch.Tensor,
    heat: torch.Tensor,
    region: torch.Tensor | None,
    measures: Sequence[str],
) -> None:
    if region is not None and POINTING in measures:
        result.pointing.append(float(is_pointing_inside(heat, region)))
    if CURVES in measures:
        curves = measure_curves(network, image, heat)
        result.insertion.append(curves.insertion)
        result.deletion.append(curves.deletion)
    if DROP in measures:
        result.drop.append(measure_drop(network, image, heat))


def _find_region(sample: Sample, labels: Labels, head: Head, within: str | None) -> torch.Tensor | None:
    size = (sample["image"].shape[-2], sample["image"].shape[-1])
    pixels_first = sorted(labels, key=lambda name: labels[name].layer)
    for name in [within] if within else dict.fromkeys([head.target_info.name, *pixels_first]):
        if name in sample and name in labels:
            region = labels[name].find_region(sample[name], size)
            if region is not None:
                return region
    return None


def _explain_random(random: "_RandomCopy", words: str, image: torch.Tensor) -> HeadNetwork:
    """The random network for the same answer, where that is a class, else for its own."""
    with torch.no_grad():
        features = random.backbone(image[None])
        try:
            answer = random.head.find_answer(features, words if words in random.head.target_info.classes else None)
        except NoAnswer:
            answer = random.head.find_answer(features)
    return HeadNetwork(random.backbone, random.head, answer)


class _RandomCopy(NamedTuple):
    backbone: Backbone
    head: Head


def _rank(result: MethodMeasures) -> float:
    means = result.summarize()
    gap, pointing = means["insertion - deletion"], means["pointing"]
    return gap if gap is not None else pointing if pointing is not None else 0.0
