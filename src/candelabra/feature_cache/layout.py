"""Which features the heads of a task read, and their layout as rows of an array."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from lightning.fabric.utilities import move_data_to_device
from numpy.typing import NDArray
from torch import Tensor, nn

from candelabra.backbones.backbone import take_first_stages
from candelabra.heads.coordinate_readers import FeaturePool
from candelabra.tasks.compilation import find_read_features
from candelabra.tasks.task import Task
from candelabra.types import Features

_BITS = {1: "u1", 2: "<i2", 4: "<i4", 8: "<i8"}  # numpy has no bfloat16: a tensor is stored as its bits


@dataclass(frozen=True)
class FeatureColumn:
    """One tensor of a sample, as it is stored.

    Args:
        dtype: of the tensor.
        shape: without N.
        order: its dimensions as they lie in memory, outermost first, so that channels_last is restored.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def row_type(self) -> tuple[str, tuple[int, ...]]:
        """NumPy dtype and shape of a row."""
        return _BITS[self.dtype.itemsize], tuple(self.shape[dim] for dim in self.order)

    def to_rows(self, batch: Tensor) -> NDArray[Any]:
        """Converts a batch (N, *shape) to rows of bits."""
        laid = batch.detach().cpu().permute(0, *(dim + 1 for dim in self.order)).contiguous()
        return laid.view(_integer(self.dtype)).numpy()

    def to_batch(self, rows: NDArray[Any]) -> Tensor:
        """Converts rows of bits to a batch (N, *shape) with the memory layout of the backbone."""
        back = [self.order.index(dim) + 1 for dim in range(len(self.order))]
        return torch.from_numpy(rows).view(self.dtype).permute(0, *back)


def make_feature_column(batch: Tensor) -> FeatureColumn:
    """Makes the column that can hold samples of a batch."""
    order = sorted(range(1, batch.ndim), key=batch.stride, reverse=True)
    return FeatureColumn(batch.dtype, tuple(batch.shape[1:]), tuple(dim - 1 for dim in order))


@dataclass(frozen=True)
class FeatureLayout:
    """The part of `Features` that heads read; of the first stages, also the map from which the backbone goes on.

    Args:
        stages: how many stages of the backbone, from the input on, the features are of.
        maps: indices of the maps.
        final: whether the final map.
        pool: the only reader of the final map, which is then stored pooled. Pooling it again gives the same bits, since
            the mean over one pixel is that pixel.
        channels: of each map of the backbone, and of the final one.
        size: (H, W) of the images.
    """

    stages: int
    maps: tuple[int, ...]
    final: bool
    pool: FeaturePool | None
    channels: tuple[int, ...]
    size: tuple[int, int]

    def __str__(self) -> str:
        pooled = f" {self.pool.pooling} {self.pool.grid}" if self.pool else ""
        return f"maps {list(self.maps)}{', final' if self.final else ''}{pooled}"

    @property
    def names(self) -> list[str]:
        """The names of the tensors to store."""
        return [*(f"maps.{index}" for index in self.maps), *(["final"] if self.final else [])]

    def take(self, features: Features) -> dict[str, Tensor]:
        """Returns the tensors to store, by name, of the features of all stages."""
        taken = {f"maps.{index}": features.maps[index] for index in self.maps}
        if self.final and self.pool:
            side = self.pool.grid if self.pool.pooling == "flatten" else 1
            pooled: Tensor = self.pool(features.final)
            taken["final"] = pooled.view(len(pooled), self.channels[-1], side, side)
        elif self.final:
            taken["final"] = features.final
        return taken

    def restore(self, taken: Mapping[str, Tensor]) -> Features:
        """Rebuilds features from stored tensors; zeros (N, C, 1, 1) stand for maps that no head reads."""
        some = next(iter(taken.values()))
        names = [*(f"maps.{index}" for index in range(len(self.channels) - 1)), "final"]
        *maps, final = [
            taken[name] if name in taken else some.new_zeros((len(some), channels, 1, 1))
            for name, channels in zip(names, self.channels, strict=True)
        ]
        restored = Features(maps, final, self.size)
        return restored if self.stages == len(maps) else take_first_stages(restored, self.stages)


def find_feature_layout(task: Task, features: Features) -> FeatureLayout:
    """Finds what the heads read by where their gradient goes, checks that, and falls back to all features.

    Args:
        task: in evaluation mode.
        features: of two images or more; not made in inference mode.
    """
    everything = _make_layout(features, len(features.maps), final=True)
    heads = list(task.heads.values())
    pools: set[FeaturePool] = set()
    *maps, final = find_read_features(heads, features)
    parts = replace(everything, maps=tuple(i for i, there in enumerate(maps) if there), final=final)
    cut = partial(_detach_pool, pools)
    hooks = [module.register_forward_hook(cut) for module in task.heads.modules() if isinstance(module, FeaturePool)]
    *_, read_whole = find_read_features(heads, features)
    for hook in hooks:
        hook.remove()
    kinds = {(pool.pooling, pool.grid if pool.pooling == "flatten" else 0) for pool in pools}
    if final and not read_whole and len(kinds) == 1 and "concat" not in next(iter(kinds)):
        parts = replace(parts, pool=next(iter(pools)))
    again = _store_and_restore(parts, features)
    return parts if again and _gives_same_outputs(heads, features, again) else everything


def find_first_layout(task: Task, features: Features, stages: int) -> FeatureLayout:
    """Finds which maps of the first stages the heads read; the backbone goes on from the last one.

    Args:
        task: in evaluation mode.
        features: of all stages, of two images or more; not made in inference mode.
        stages: how many of them.
    """
    everything = _make_layout(features, stages, final=False)
    heads = list(task.heads.values())
    read = find_read_features(heads, features)
    parts = replace(everything, maps=tuple(i for i in everything.maps if read[i] or i == stages - 1))
    again = _store_and_restore(parts, features)
    return parts if again and _gives_same_outputs(heads, features, task.backbone.resume(again)) else everything


def join_layouts(layouts: Sequence[FeatureLayout]) -> FeatureLayout:
    """The layout that stores what any of them does."""
    last = max(layouts, key=lambda layout: layout.stages)
    return replace(last, maps=tuple(sorted({index for layout in layouts for index in layout.maps})))


def _make_layout(features: Features, stages: int, final: bool) -> FeatureLayout:
    channels = tuple(each.shape[1] for each in (*features.maps, features.final))
    return FeatureLayout(stages, tuple(range(stages)), final, None, channels, features.size)


def _store_and_restore(parts: FeatureLayout, features: Features) -> Features | None:
    """What is left of features that were stored; none where nothing of them is."""
    columns = {name: (make_feature_column(each), each) for name, each in parts.take(features).items()}
    if not columns:
        return None
    again = parts.restore({name: how.to_batch(how.to_rows(each)) for name, (how, each) in columns.items()})
    return cast(Features, move_data_to_device(again, features.final.device))


@torch.no_grad()
def _gives_same_outputs(heads: Sequence[nn.Module], features: Features, again: Features) -> bool:
    """Whether heads give the same bits for both."""
    try:
        return all(torch.equal(head(features), head(again)) for head in heads)
    except RuntimeError:  # a head uses the size of a map, but not its values
        return False


def _detach_pool(pools: set[FeaturePool], pool: FeaturePool, inputs: Sequence[Tensor], output: Tensor) -> Tensor:
    pools.add(pool)
    return output.detach()


def _integer(dtype: torch.dtype) -> torch.dtype:
    return {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
