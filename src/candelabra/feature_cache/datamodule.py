"""The data of a run whose backbone, or its first stages, are frozen: cached features in place of images."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import lightning as L
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.samples import hash_contents
from candelabra.errors import CandelabraError
from candelabra.feature_cache.cache import FeatureCache
from candelabra.feature_cache.extraction import (
    FeatureItem,
    compute_cache_key,
    describe_features,
    extract_features,
    hash_weights,
)
from candelabra.feature_cache.loader import FeatureRows, PhasedLoader, keep_batch
from candelabra.feature_cache.recipe import FeatureRecipe
from candelabra.feature_cache.store import FeatureStore
from candelabra.optim.schedule_plan import PLATEAU_SCHEDULES, count_frozen_stages
from candelabra.tasks.compilation import is_compiled
from candelabra.tasks.run_length import count_epochs
from candelabra.tasks.task import Task
from candelabra.types import Sample

log = logging.getLogger(__name__)
_SPLITS = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}


def cache_features(
    task: Task, data: SampleDataModule, cache: FeatureCache, trainer: L.Trainer
) -> L.LightningDataModule:
    """Returns cached features where stages are frozen and images are the same in each epoch, else the data.

    Args:
        task: to be trained.
        data: its images.
        cache: of features.
        trainer: of the task; gives device, precision, and the number of epochs.

    Raises:
        CandelabraError: a probe whose training images differ in each epoch, or have several sizes.
    """
    if not data.uniform and task.finetune.replaces_training:
        raise CandelabraError(
            "finetune=probe learns from cached features, which need images of one size, but the data sets of this "
            "union have several; set data.size for all."
        )
    together = bool(data.batchwise)
    if together and task.finetune.replaces_training:
        raise CandelabraError(
            "finetune=probe learns from features that are computed once, but data.mixup, data.cutmix and "
            "data.multiscale make new images of each batch; set them to 0, 0 and null."
        )
    endless = data.dataset("train").versions is None
    if endless and task.finetune.replaces_training:
        augment = next(part.augment for part in data.datasets().values())
        raise CandelabraError(
            f"finetune=probe learns from features that are computed once, but data.augment={augment} makes new "
            "versions of the images in every epoch; set data.augment=none, or data.views=4 for four of each."
        )
    limits = (trainer.limit_train_batches, trainer.limit_val_batches, trainer.limit_test_batches)
    whole = all(isinstance(limit, float) and limit == 1 for limit in limits)
    counts = list_frozen_stages(task, trainer)
    steady = len({*counts}) == 1
    repeated = steady or sum(count > 0 for count in counts) > 1  # one pass takes as long as one epoch
    if not cache.gigabytes or not whole or not any(counts) or not repeated or task.image_change:
        return data
    if not cache.is_usable():
        return data
    partly = min(counts) < len(task.backbone.stages)
    if partly and (is_compiled(task.backbone) or isinstance(trainer.strategy, ModelParallelStrategy)):
        return data  # neither would let `Backbone.resume` leave out modules
    if not data.uniform:
        log.info("features are cached for images of one size; data.size=128, say, gives all sets of the union one")
        return data
    if together or endless:
        if steady:
            log.info(
                "%s frozen, but %s, features are computed once, and training is faster",
                "the first stages of the backbone are" if partly else "the backbone is",
                "data.mixup, data.cutmix or data.multiscale make new images of each batch. Without them"
                if together
                else "every epoch makes new versions of the images. With data.augment=none, or data.views=4 for four "
                "versions of each",
            )
        return data
    return CachedFeatures(task, data, cache, trainer, counts)


def list_frozen_stages(task: Task, trainer: L.Trainer) -> list[int]:
    """How many stages of the backbone, counted from the input, are frozen in each epoch.

    Of a run that its steps end, one number: how many are frozen throughout.
    """
    stages = len(task.backbone.stages)
    if not trainer.max_epochs or trainer.max_epochs < 1:
        return [count_frozen_stages(task.finetune, PLATEAU_SCHEDULES, stages)]
    return [task.finetune.frozen_stages(epoch, trainer.max_epochs, stages) for epoch in range(trainer.max_epochs)]


class CachedFeatures(L.LightningDataModule):
    """Serves the batches of a data module, in its order, as features; a split that does not fit, as images.

    Args:
        task, data, cache, trainer: see `cache_features`.
        counts: how many stages of the backbone are frozen in each epoch.

    Attributes:
        served: of each split that was set up, by its name, the features that serve it while so many stages are frozen;
            none where they do not fit.
    """

    def __init__(
        self, task: Task, data: SampleDataModule, cache: FeatureCache, trainer: L.Trainer, counts: Sequence[int]
    ) -> None:
        super().__init__()
        self.task, self.data, self.cache, self.runner, self.counts = task, data, cache, trainer, counts
        self.steady = len({*counts}) == 1
        self.served: dict[str, dict[int, FeatureRows]] = {}
        self.stores: dict[str, FeatureStore] = {}
        self.wanted: dict[str, list[bytes]] = {}
        self.recipe: FeatureRecipe | None = None
        self.refused = False
        self.weights: dict[int, str] = {}  # hashes of those that features were computed with, by number of stages
        data.trainer = trainer

    def setup(self, stage: str) -> None:
        if self.refused or (not self.steady and stage != "fit"):  # stages that were frozen at first have learned
            return
        if self.weights and self._count_unchanged() != self.counts[0]:
            return  # the store is of other weights: its key was made before those of a checkpoint were restored
        prepared = {split: self.data.dataset(split) for split in _SPLITS[stage] if split not in self.served}
        for pipeline in dict.fromkeys(repr(each.pipeline) for each in prepared.values()):
            self._serve(pipeline, {name: each for name, each in prepared.items() if repr(each.pipeline) == pipeline})

    def state_dict(self) -> dict[str, int]:
        return self.data.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        self.data.load_state_dict(state_dict)

    def train_dataloader(self) -> Iterable[Sample]:
        return self._loader("train")

    def val_dataloader(self) -> Iterable[Sample]:
        return self._loader("val")

    def test_dataloader(self) -> Iterable[Sample]:
        return self._loader("test")

    def _loader(self, split: str) -> Iterable[Sample]:
        rows = self.served.get(split)
        if not rows:
            return self.data.make_loader(split)
        if not self.steady:
            return PhasedLoader(self.data.make_loader(split), rows, self._count_unchanged)
        if self._count_unchanged() == self.counts[0]:
            return self.data.load_batches(rows[self.counts[0]], split, workers=0, collate=keep_batch)
        log.warning("the backbone has other weights than its features were computed with: training runs it")
        return self.data.make_loader(split)

    def _count_unchanged(self) -> int:
        """How many first stages do not learn in this epoch, and have the weights that features were computed with.

        A strategy alone does not tell: a run that is extended may freeze stages that have learned.
        """
        backbone, still = self.task.backbone, len(self.task.backbone.stages)
        if not self.steady and self.runner.state.fn == TrainerFn.FITTING:
            still = self.task.finetune.frozen_stages(self.runner.current_epoch, count_epochs(self.runner), still)
        allowed = sorted((count for count in self.weights if count <= still), reverse=True)
        return next((count for count in allowed if hash_weights(backbone, count) == self.weights[count]), 0)

    def _serve(self, pipeline: str, splits: Mapping[str, TransformedDataset]) -> None:
        """Splits of one pipeline share a store, and one pass of the backbone."""
        if self.recipe is None:
            counts = sorted({*self.counts} - {0})
            self.recipe = describe_features(self.task, next(iter(splits.values()))[0], counts, self.runner)
        if self.recipe is None:
            self.refused = True
            log.info("%s cannot go on from its first stages: training runs all of it", self.task.backbone.name)
            return
        self.weights = self.weights or {count: hash_weights(self.task.backbone, count) for count in self.recipe.phases}
        if pipeline not in self.stores:
            cache_key = compute_cache_key(self.task, self.recipe, pipeline, self.data.batch_size, self.runner)
            name: str = self.runner.strategy.broadcast(hash_contents(*cache_key.values()).hex())
            self.stores[pipeline] = FeatureStore(self.cache.folder / name, self.recipe.layout, cache_key)
        store = self.stores[pipeline]
        digests = {split: _digests(each) for split, each in splits.items()}
        items = [(splits[split], row, found) for split in splits for row, found in enumerate(digests[split])]
        self.wanted.setdefault(pipeline, []).extend(found for *_, found in items)
        there = self._fill(store, self.recipe, items, self.wanted[pipeline])
        for split, each in splits.items():
            now = [each.update_digest(row, found) for row, found in enumerate(digests[split])]
            phases = self.recipe.phases if there else ()
            self.served[split] = {count: FeatureRows(store, self.recipe.select(count), each, now) for count in phases}

    def _fill(
        self, store: FeatureStore, how: FeatureRecipe, items: Sequence[FeatureItem], wanted: Sequence[bytes]
    ) -> bool:
        """Computes missing features, each rank its share, while rank 0 holds the lock; returns whether it succeeded."""
        trainer, strategy = self.runner, self.runner.strategy
        digests = [found for *_, found in items]
        store.read()
        if strategy.broadcast(not store.find_missing(digests)):
            store.read()
            return strategy.reduce_boolean_decision(not store.find_missing(digests))
        first = trainer.is_global_zero
        with store.hold() if first else nullcontext():
            missing = self._find_missing(store, digests, wanted) if first else []
            missing = strategy.broadcast(missing)  # the other ranks wait here for the first
            if missing is None:
                return False
            mine = [items[position] for position in missing[trainer.global_rank :: trainer.world_size]]
            workers = self.data.count_workers()
            stored = _try_storing(
                lambda: extract_features(self.task, how, store, mine, self.data.batch_size, workers, trainer)
            )
            store.read()
            now = [prepared.update_digest(row, found) for prepared, row, found in items]
            stored = strategy.reduce_boolean_decision(stored and not store.find_missing(now))
            store.read()
        return stored

    def _find_missing(self, store: FeatureStore, digests: Sequence[bytes], wanted: Sequence[bytes]) -> list[int] | None:
        """Returns the positions of missing features; None where there is no room for them."""
        store.read()  # again: another process may have filled it until now
        room: list[bool] = []
        return (
            store.find_missing(digests)
            if _try_storing(lambda: room.append(self.cache.reserve(store, wanted))) and room[0]
            else None
        )


def _digests(prepared: TransformedDataset) -> list[bytes]:
    assert prepared.versions is not None
    with ThreadPoolExecutor() as threads:  # reading and hashing leave the interpreter free
        return list(threads.map(prepared.digest, range(len(prepared) * prepared.versions)))


def _try_storing(work: Callable[[], None]) -> bool:
    """Runs `work`; returns False, with a warning, if the disk is full or broken, which must not end the run."""
    try:
        work()
    except OSError as error:
        log.warning("features cannot be cached (%s): training runs the backbone in every epoch", error)
        return False
    return True
