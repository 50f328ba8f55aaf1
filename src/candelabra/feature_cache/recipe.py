"""How samples become rows of a feature store, and rows a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.loading.loader import collate_samples
from candelabra.data.targets import Labels, Target
from candelabra.feature_cache.layout import FeatureColumn, FeatureLayout
from candelabra.feature_cache.store import DIGEST_BYTES, arrange_rows
from candelabra.types import Sample

COUNT_ENDING = ".count"  # of the column of the lengths of a ragged target


@dataclass(frozen=True)
class FeatureRecipe:
    """How samples become rows: which parts of the features, which targets, in which layout.

    Args:
        parts: of the features, that the heads read.
        columns: by the name of a part, or of a target.
        fingerprint: hash of the features of two images of noise, with this device, precision and libraries.
        ragged: targets whose values differ in length, by name; each has a column of its count as well.
        phases: by a number of first stages, the parts that serve a run while so many are frozen; `parts` joins them.
    """

    parts: FeatureLayout
    columns: Mapping[str, FeatureColumn]
    fingerprint: str
    ragged: Mapping[str, Target]
    phases: Mapping[int, FeatureLayout]

    @property
    def layout(self) -> "np.dtype[np.void]":
        """The dtype of a row."""
        return arrange_rows({name: column.row_type for name, column in self.columns.items()})

    @property
    def targets(self) -> list[str]:
        """Columns that are stored beside the features."""
        return [name for name in self.columns if name != "final" and not name.startswith("maps.")]

    def select(self, stages: int) -> "FeatureRecipe":
        """The recipe that reads the features of so many first stages alone; see `phases`."""
        parts = self.phases[stages]
        return replace(self, parts=parts, columns={name: self.columns[name] for name in (*parts.names, *self.targets)})

    def batch(self, rows: Mapping[str, NDArray[Any]]) -> Sample:
        """Converts rows to a batch with features in place of images."""
        tensors = {name: self.columns[name].to_batch(bits) for name, bits in rows.items()}
        targets = {name: tensors.pop(name) for name in self.targets}
        for name, target in self.ragged.items():
            counts = targets.pop(name + COUNT_ENDING).tolist()
            targets[name] = target.collate([each[:count] for each, count in zip(targets[name], counts, strict=True)])
        return {"features": self.parts.restore(tensors), **targets}

    def to_rows(self, digests: Sequence[bytes], taken: Mapping[str, Tensor]) -> NDArray[np.void]:
        """Rows of samples.

        Args:
            digests: of the samples.
            taken: parts of features, and targets, at least as many; see `columns`.
        """
        bits = {name: self.columns[name].to_rows(tensor[: len(digests)]) for name, tensor in taken.items()}
        kinds = {name: (column.row_type[0], bits[name].shape[1:]) for name, column in self.columns.items()}
        rows = np.zeros(len(digests), arrange_rows(kinds))
        rows[DIGEST_BYTES] = np.array(digests, dtype="V20")
        for name, values in bits.items():
            rows[name] = values
        return rows


def count_ragged(samples: Sequence[Sample], ragged: Mapping[str, Target]) -> dict[str, Tensor]:
    """A batch of samples, with the lengths of ragged values (n,) int32 beside them."""
    counts = {
        name + COUNT_ENDING: torch.tensor([len(dict(each)[name]) for each in samples], dtype=torch.int32)
        for name in ragged
    }
    return {**dict(collate_samples(samples, Labels(*ragged.values()))), **counts}
