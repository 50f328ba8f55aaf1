"""The data module of one data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import final

import numpy as np
from numpy.typing import NDArray

from candelabra.data.loading.dataset_part import DatasetOptions, DatasetPart
from candelabra.data.loading.plan import LoadingPlan
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.readers.reader import Reader
from candelabra.data.sampling.mixture import MixtureShare
from candelabra.data.sampling.train_order import SampleOrder, SequentialOrder
from candelabra.data.sampling.weights import check_sampler, make_train_order


@final
@dataclass(kw_only=True, eq=False)
class DataModule(DatasetOptions, SampleDataModule):
    """Serves one data set: `DataModule(Folder(root="photos"), size=224)`.

    Args:
        reader: of the data set.
        sampler: how often each training image comes in an epoch: shuffled (once), balanced (so that classes come
            equally often), repeated (more often with a rare class), <number>_per_class (each batch has so many images
            of each of its classes), or as the numbers of a table say (`weights.csv`, with the columns name and
            weight). See `candelabra.data.sampling.weights`.
        further arguments: see `DatasetOptions` and `SampleDataModule`.
    """

    reader: Reader = field(kw_only=False)
    sampler: str = "shuffled"

    def __post_init__(self) -> None:
        check_sampler(self.sampler)
        self.part = DatasetPart(self.reader, **{each.name: vars(self)[each.name] for each in fields(DatasetOptions)})
        super().__post_init__()

    def datasets(self) -> Mapping[str, DatasetPart]:
        return {"": self.part}

    def find_groups(self) -> NDArray[np.int64] | None:
        return self.part.splitter.number_groups(self.open())

    def make_plan(self) -> LoadingPlan:
        samples, parts, issues = self.part.open(self.on_bad, self.cache, self.cache_gigabytes)
        runs = {split: [len(part)] for split, part in parts.items()}
        train = make_train_order(self.sampler, samples, parts["train"], self.seed, self.reader.folder)
        orders: dict[str, SampleOrder] = {split: SequentialOrder(counts) for split, counts in runs.items()}
        return LoadingPlan(
            samples=samples,
            parts=parts,
            transforms=self.part.make_transforms(samples.labels, self.batchwise),
            runs=runs,
            orders={**orders, "train": train},
            shares=[MixtureShare("", 0, len(parts["train"]), train.total)],
            issues=issues,
        )
