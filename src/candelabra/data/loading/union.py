"""Several data sets, one model: each labels its own targets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from candelabra.data.loading.dataset_part import DatasetPart
from candelabra.data.loading.plan import LoadingPlan
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.data.sampling.mixture import MixedOrder, MixtureShare, SingleSetOrder, divide_quota, order_in_sequence
from candelabra.data.sampling.train_order import SampleOrder, SequentialOrder, draw_permutation
from candelabra.data.transforms.pipeline import Augmentation
from candelabra.data.transforms.resize import Resizing
from candelabra.data.views.concat import ConcatSamples, TransformsBySet
from candelabra.errors import CandelabraError


@final
@dataclass(kw_only=True, eq=False)
class Union(SampleDataModule):
    """Serves several data sets together; each is read, divided and transformed by its own options.

    Draw number d of a set, counted over all epochs, is image d % n of the shuffled pass d // n over its n training
    images; augmentation is a function of seed, pass and image. Where an epoch takes a part of a set, the next one
    continues there. Validation and test take every image once, one set after another.

    >>> from candelabra.data import DatasetPart, Digits, Shapes
    >>> scenes, digits = DatasetPart(Shapes(count=100), targets=["mask"]), DatasetPart(Digits(), targets=["label"])
    >>> Union({"scenes": scenes, "digits": digits}, size=64).labels.targets
    ('label', 'mask')

    Args:
        sets: data sets by name, at least one.
        mix: how an epoch is made of them: proportion (each training image once), temperature (small sets come more
            often) or sequence (one set after another, each training image once).
        temperature: for mix=temperature, above 0; the share of a set goes with (number of its images) **
            (1 / temperature): 1 is proportion, and large numbers give all sets the same share.
        batches: mixed (a batch has images of all sets) or single (each batch is of one set; each set gives whole
            batches, at least one, to an epoch).
        epoch: images in an epoch, at least one of each set; null for as many as there are.
        size: of the images of all sets, in pixels; null for the size of each set, which `batches=mixed` needs to be
            equal.
        augment, resize, erase, mosaic, min_visible, targets: of all sets, see `DatasetOptions`; null for that of each.
        further arguments: see `SampleDataModule`.
    """

    sets: Mapping[str, DatasetPart] = field(kw_only=False)
    mix: Literal["proportion", "temperature", "sequence"] = "proportion"
    temperature: float = 1.0
    batches: Literal["mixed", "single"] = "mixed"
    epoch: int | None = None
    size: int | Sequence[int] | None = None
    augment: Augmentation | None = None
    resize: Resizing | None = None
    erase: float | None = None
    mosaic: float | None = None
    min_visible: float | None = None
    targets: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self._check()
        given = {
            "size": self.size,
            "augment": self.augment,
            "resize": self.resize,
            "erase": self.erase,
            "mosaic": self.mosaic,
            "min_visible": self.min_visible,
            "targets": self.targets,
        }
        of_all: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        self.sets = {name: replace(part, **of_all) for name, part in self.sets.items()}
        super().__post_init__()
        if not self.uniform and self.batches == "mixed":
            found = [f"data.sets.{name}.size=[{part.shape[0]},{part.shape[1]}]" for name, part in self.sets.items()]
            raise CandelabraError(
                f"data.batches=mixed needs images of one size, but here are {' and '.join(found)}; set data.size for "
                "all, or data.batches=single."
            )

    def datasets(self) -> Mapping[str, DatasetPart]:
        return self.sets

    def find_groups(self) -> NDArray[np.int64] | None:
        return None  # those of the sets only keep images together when each set is divided

    def change_batch_size(self, size: int) -> None:
        super().change_batch_size(size)
        shares = self._divide_epoch(self.plan.runs["train"])
        orders = {**self.plan.orders, "train": self._order_training(shares)}
        self._plan = replace(self.plan, shares=shares, orders=orders)

    def make_plan(self) -> LoadingPlan:
        opened = {}
        for name, part in self.sets.items():
            with name_set_in_errors(name):
                opened[name] = part.open(self.on_bad, self.cache, self.cache_gigabytes)
        joined = ConcatSamples(
            {name: each.samples for name, each in opened.items()},
            {name: each.parts for name, each in opened.items()},
            {name: each.issues for name, each in opened.items()},
        )
        made = {
            name: part.make_transforms(opened[name].samples.labels, self.batchwise) for name, part in self.sets.items()
        }
        runs = {split: [len(each.parts[split]) for each in opened.values()] for split in SPLITS}
        shares = self._divide_epoch(runs["train"])
        orders: dict[str, SampleOrder] = {
            split: SequentialOrder([sum(counts)] if self.uniform else counts) for split, counts in runs.items()
        }
        return LoadingPlan(
            samples=joined,
            parts={split: np.flatnonzero(joined.published == split) for split in SPLITS},
            transforms={
                split: TransformsBySet(joined, {name: each[split] for name, each in made.items()}) for split in SPLITS
            },
            runs=runs,
            orders={**orders, "train": self._order_training(shares)},
            shares=shares,
            issues=joined.issues,
        )

    def _order_training(self, shares: Sequence[MixtureShare]) -> SampleOrder:
        order = MixedOrder if self.batches == "mixed" else SingleSetOrder
        return order(shares, self.seed, order_in_sequence if self.mix == "sequence" else draw_permutation)

    def _divide_epoch(self, counts: Sequence[int]) -> list[MixtureShare]:
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


@contextmanager
def name_set_in_errors(name: str) -> Iterator[None]:
    """Replaces `data.` in the message of an error by `data.sets.<name>.`, as the option is typed for a set."""
    try:
        yield
    except CandelabraError as error:
        words = re.sub(r"(?<![\w./])data\.(?=[a-z])", f"data.sets.{name}.", str(error))
        raise CandelabraError(words) from error
