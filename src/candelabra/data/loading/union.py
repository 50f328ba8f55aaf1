"""Several data sets, one model: each labels what it labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from candelabra.data.loading.datamodule import DataModule
from candelabra.data.samples import SPLITS, Samples
from candelabra.data.sampling.mixture import MixedOrder, MixtureShare, SingleSetOrder, divide_quota, order_in_sequence
from candelabra.data.sampling.train_order import SequentialOrder, draw_permutation
from candelabra.data.transforms.pipeline import Augmentation, TransformPipeline
from candelabra.data.transforms.resize import Resizing
from candelabra.data.views.concat import ConcatSamples, TransformsBySet
from candelabra.errors import CandelabraError

# What a union does for all sets together, so that a set's own word for it would do nothing.
_SERVED = (
    "batch_size",
    "workers",
    "seed",
    "views",
    "on_bad",
    "cache",
    "cache_gigabytes",
    "multiscale",
    "mixup",
    "cutmix",
)


@dataclass(kw_only=True, eq=False)
class Union(DataModule):
    """Data sets that are divided and transformed each as by itself, and served together.

    Draw number d of a set, counted over all epochs, is image d % n of the shuffled pass d // n over its n training
    images; augmentation is a function of seed, pass and image. Where an epoch takes a part of a set, the next goes on
    there. Validation and test take every image once, one set after another.

    How images are divided, flipped and thinned out is each set's own affair, and the union has no such argument;
    batches, their workers, seed and views are the union's, and a set with others is refused.

    Args:
        sets: data sets by name.
        mix: how an epoch is made of them: proportion (each training image once), temperature (small sets come more
            often) or sequence (one set after another, each training image once).
        temperature: for mix=temperature; the share of a set goes with (number of its images) ** (1 / temperature), so
            that 1 is proportion and large numbers give all sets the same.
        batches: mixed (of images of all sets) or single (each batch of one set; each set gives whole batches, at least
            one, to an epoch).
        epoch: images in an epoch; null for as many as there are.
        size: of the images of all sets; null for each set's own, which `batches=mixed` needs to be equal.
        augment, resize, erase: of all sets; null for each set's own.
        views, batch_size, workers, seed, on_bad, cache, cache_gigabytes, multiscale, mixup, cutmix: see `DataModule`.
    """

    sets: Mapping[str, DataModule]
    mix: Literal["proportion", "temperature", "sequence"] = "proportion"
    temperature: float = 1.0
    batches: Literal["mixed", "single"] = "mixed"
    epoch: int | None = None
    size: int | Sequence[int] | None = None  # type: ignore[assignment]
    augment: Augmentation | None = None  # type: ignore[assignment]
    resize: Resizing | None = None  # type: ignore[assignment]
    erase: float | None = None  # type: ignore[assignment]
    flip: bool = field(init=False, default=True)
    sampler: str = field(init=False, default="shuffled")
    split: str = field(init=False, default="published")
    val: float = field(init=False, default=0.0)
    test: float = field(init=False, default=0.0)
    groups: str | None = field(init=False, default=None)
    folds: int | None = field(init=False, default=None)
    fold: int = field(init=False, default=0)
    targets: Sequence[str] | None = field(init=False, default=None)
    labelled: float | Mapping[str, float] = field(init=False, default=1.0)
    split_seed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._check()
        keys = ("size", "augment", "resize", "erase", "multiscale", "on_bad", "cache", "cache_gigabytes")
        given = {key: vars(self)[key] for key in keys}
        for_all: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        self.sets = {name: replace(each, **for_all) for name, each in self.sets.items()}
        sizes = {name: each.shape for name, each in self.sets.items()}
        self.size = next(iter(sizes.values()))
        first = next(iter(self.sets.values()))  # what the union itself transforms nothing by, but checks
        self.augment, self.resize, self.erase = first.augment, first.resize, first.erase
        self.cache = "none"  # each set keeps its own
        super().__post_init__()
        self.cached = any(each.cached for each in self.sets.values())
        self.uniform = len(set(sizes.values())) == 1
        if not self.uniform and self.batches == "mixed":
            found = " and ".join(f"data.sets.{name}.size=[{side[0]},{side[1]}]" for name, side in sizes.items())
            raise CandelabraError(
                f"data.batches=mixed needs images of one size, but here are {found}; set data.size for all, or "
                "data.batches=single."
            )

    def read(self) -> Samples:
        opened = {name: _opened(name, each) for name, each in self.sets.items()}
        joined = ConcatSamples(opened, {name: each.parts for name, each in self.sets.items()})
        joined.issues = [
            odd._replace(name=f"{name}/{odd.name}") for name, each in self.sets.items() for odd in each.issues
        ]
        self.pipelines = {
            split: TransformsBySet(
                joined, {name: cast(TransformPipeline, each.pipelines[split]) for name, each in self.sets.items()}
            )
            for split in SPLITS
        }
        self.runs = {split: [len(each.parts[split]) for each in self.sets.values()] for split in SPLITS}
        self.shares = self._shares()
        arranged = (MixedOrder if self.batches == "mixed" else SingleSetOrder)(
            self.shares, self.seed, order_in_sequence if self.mix == "sequence" else draw_permutation
        )
        judged = {split: SequentialOrder([sum(runs)] if self.uniform else runs) for split, runs in self.runs.items()}
        self.orders = {**judged, "train": arranged}
        return joined

    def _shares(self) -> list[MixtureShare]:
        counts = self.runs["train"]
        epoch = sum(counts) if self.epoch is None else self.epoch
        unit = 1 if self.batches == "mixed" else self.batch_size
        given = divide_quota(counts, epoch, self.temperature if self.mix == "temperature" else 1.0, unit)
        return [
            MixtureShare(name, sum(counts[:number]), counts[number], given[number])
            for number, name in enumerate(self.sets)
        ]

    def _check(self) -> None:
        if not self.sets:
            raise CandelabraError(
                "data.sets is empty; add data sets to the union, with +data@data.sets.pets=pets, say, and "
                "data.sets.pets.root=<folder>."
            )
        if self.mix not in ("proportion", "temperature", "sequence"):
            raise CandelabraError(
                f"data.mix={self.mix} is not known; allowed are proportion, temperature and sequence."
            )
        if self.batches not in ("mixed", "single"):
            raise CandelabraError(f"data.batches={self.batches} is not known; allowed are mixed and single.")
        if self.temperature <= 0 or (self.temperature != 1 and self.mix != "temperature"):
            raise CandelabraError(
                f"data.temperature={self.temperature} must be above 0, and 1 without data.mix=temperature."
            )
        if self.epoch is not None and self.epoch < len(self.sets):
            raise CandelabraError(
                f"data.epoch={self.epoch} must be at least {len(self.sets)}, an image of each set; null for all images."
            )
        self._check_sets()

    def _check_sets(self) -> None:
        for name, each in self.sets.items():
            if isinstance(each, Union):
                raise CandelabraError(f"data.sets.{name} is a union itself; name its sets beside the others.")
            if each.sampler != "shuffled":
                raise CandelabraError(
                    f"data.sets.{name}.sampler={each.sampler} would do nothing, for data.mix says how often images "
                    "of a union come; leave it out."
                )
            for key in _SERVED:
                if vars(each)[key] not in (vars(DataModule)[key], vars(self)[key]):
                    raise CandelabraError(
                        f"data.sets.{name}.{key}={vars(each)[key]} would do nothing, for a union serves its sets "
                        f"together; set data.{key}."
                    )


def _opened(name: str, data: DataModule) -> Samples:
    try:
        return data.open()
    except CandelabraError as error:
        words = re.sub(r"(?<![\w./])data\.(?=[a-z])", f"data.sets.{name}.", str(error))
        raise CandelabraError(words) from error
