"""The contract of a column: the values of one target for all samples of a data set."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage, ImageHeader
from candelabra.data.issues import DataIssue
from candelabra.data.targets.target import Target


class TargetColumn(ABC):
    """The values of one target, as numbers in memory or as files; indices are those of the samples.

    Attributes:
        target: whose values.
        has_files: the values lie in files of their own.
    """

    target: Target
    has_files: ClassVar[bool] = False

    @abstractmethod
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) which samples are labelled; no file is opened."""

    @abstractmethod
    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        """The value of one sample, in pixels of the image as it was decoded; `Target.missing` where there is none.

        Args:
            index: of the sample.
            image: its image.
            raw: the encoded file of the value, for columns of shards.
        """

    @abstractmethod
    def content(self, index: int) -> tuple[Any, ...]:
        """What `hash_contents` takes for the value of one sample."""

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        """Checks values before training, repairs or drops them in place, and returns what was wrong.

        Args:
            images: headers of the images that are checked, by index.

        Raises:
            CandelabraError: no value can be used.
        """
        return ()

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        """All that is wrong with one value; files are decoded.

        Args:
            index: of the sample.
            image: its image; null where it cannot be read.
            raw: see `load`.
        """
        return ()

    def strata(self) -> NDArray[np.int64] | None:
        """(n,) numbers whose shares random splits keep; null for targets that splits do not go by."""
        return None

    def class_matrix(self) -> NDArray[np.bool_] | None:
        """(n, C) which classes each sample is labelled with; null for targets that do not classify samples."""
        return None
