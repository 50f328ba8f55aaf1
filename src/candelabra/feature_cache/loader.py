"""Batches of cached features, and of images where stages that were frozen have learned since."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from torch.utils.data import DataLoader, Dataset

from candelabra.data.loading.loader import make_batch_loader
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.sampling.train_order import BatchOrder
from candelabra.data.views.drop_labels import blank_targets
from candelabra.feature_cache.recipe import FeatureRecipe
from candelabra.feature_cache.store import FeatureStore
from candelabra.types import Sample


class FeatureRows(Dataset[Sample]):
    """Batches of one split from a store, by the keys of `TransformedDataset`.

    Args:
        store: of the rows.
        recipe: their meaning.
        prepared: the samples that they were computed from.
        digests: of each version of each sample.
    """

    def __init__(
        self, store: FeatureStore, recipe: FeatureRecipe, prepared: TransformedDataset, digests: Sequence[bytes]
    ) -> None:
        self.store, self.recipe, self.prepared = store, recipe, prepared
        self.places = [store.places[each] for each in digests]

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitem__(self, key: int) -> Sample:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[int]) -> Sample:
        """Returns a whole batch; torch calls this where a data set has it."""
        places = [self.places[self.prepared.row(key)] for key in keys]
        batch = self.recipe.batch({name: self.store.take(name, places) for name in self.recipe.columns})
        unreadable = keys[0] < 0  # then a batch of one stands in for the sample
        return blank_targets(batch, self.prepared.samples.labels) if unreadable else batch


class PhasedLoader:
    """Batches of images, or of features while stages are frozen: which is seen when an epoch asks for its first batch.

    Args:
        images: a loader of images, whose order the features have too.
        rows: by a number of first stages, their features.
        count_unchanged: which number holds in this epoch; 0 for none.
    """

    def __init__(
        self, images: DataLoader[Sample], rows: Mapping[int, FeatureRows], count_unchanged: Callable[[], int]
    ) -> None:
        self.images, self.count_unchanged = images, count_unchanged
        self.batch_sampler = cast(BatchOrder, images.batch_sampler)  # Lightning tells it the epoch
        self.loaders = {
            count: make_batch_loader(each, self.batch_sampler, 0, keep_batch, False, None, images.pin_memory)
            for count, each in rows.items()
        }

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Sample]:
        yield from self.loaders.get(self.count_unchanged(), self.images)


def keep_batch(batch: Sample) -> Sample:
    """Collates nothing: `FeatureRows` returns whole batches."""
    return batch
