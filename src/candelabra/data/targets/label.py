"""The target `label`: the class of an image, or its classes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.images import DecodedImage
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.target import Target
from candelabra.results import LabelResult
from candelabra.types import UNLABELLED, Size

_MOST_CLASSES = 1_000_000  # a number above is no class
LABEL_SEPARATOR = "|"  # between several labels of one cell
LabelArray = NDArray[np.int64] | NDArray[np.float32]  # (n,) a class each; or (n, C), several of which may hold


@dataclass(frozen=True)
class LabelTarget(Target):
    """The class of an image: () int64, -1 where not labelled; multi-label: (C,) float32 of 0 and 1, NaN.

    Args:
        classes: their names, in the order of their index.
        multilabel: several classes may hold for one image.
    """

    name: ClassVar[str] = "label"
    position: ClassVar[int] = 0
    fields: ClassVar[tuple[str, ...]] = ("label", "class")
    hub_columns: ClassVar[tuple[str, ...]] = ("label", "labels", "class")
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "mix"

    classes: tuple[str, ...] = ()
    multilabel: bool = False

    def missing(self, size: Size) -> Tensor:
        return torch.full((len(self.classes),), torch.nan) if self.multilabel else torch.tensor(UNLABELLED)

    def is_labelled(self, values: Tensor) -> Tensor:
        return ~values.isnan().any(1) if self.multilabel else values >= 0

    def caption(self, value: Tensor) -> str:
        if self.multilabel:
            return ", ".join(name for name, share in zip(self.classes, value.tolist(), strict=True) if share > 0.5)
        if value.ndim:  # probabilities
            return f"{self.classes[int(value.argmax())]} {value.max():.2f}"
        return self.classes[int(value)] if value >= 0 else ""

    def prediction_header(self) -> list[str]:
        return list(self.classes) if self.multilabel else ["label", "probability"]

    def prediction_row(self, value: Tensor) -> list[str]:
        if self.multilabel:
            return [f"{share:.4f}" for share in value]
        best = int(value.argmax())
        return [self.classes[best], f"{value[best]:.4f}"]

    def rank_header(self, count: int) -> list[str]:
        ranks = range(2, (1 if self.multilabel else min(count, len(self.classes))) + 1)
        return [f"{word}_{rank}" for rank in ranks for word in ("label", "probability")]

    def rank_row(self, value: Tensor, count: int) -> list[str]:
        further = [] if self.multilabel else self.to_result(value).top(count)[1:]
        return [cell for name, share in further for cell in (name, f"{share:.4f}")]

    def to_result(self, value: Tensor) -> LabelResult:
        return LabelResult(self.classes, value.numpy(), self.multilabel)

    def to_json_result(self, value: Tensor) -> Any:
        result = self.to_result(value)
        if self.multilabel:
            return dict(result.top(None))
        return {"name": result.name, "probability": result.probability, "top": dict(result.top())}

    @property
    def confusion_classes(self) -> Sequence[str]:
        return self.classes

    def table_header(self) -> list[str]:
        return ["label"]

    def table_cells(self, value: Any, file: str) -> list[Any]:
        # A list without a class is a separator alone: an empty cell would mean "not labelled".
        return [LABEL_SEPARATOR.join(value) or LABEL_SEPARATOR if isinstance(value, list) else value]

    def to_json(self, value: Tensor) -> Any:
        if not self.multilabel:
            return None if int(value) == UNLABELLED else self.classes[int(value)]
        return None if value.isnan().any() else [self.classes[i] for i in value.nonzero().flatten().tolist()]

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        """Classes as names or numbers; a list of them makes the data set multi-label."""
        target = described or cls()
        given = [cell for cell in cells if cell is not None]
        if not given and not target.classes:
            return None
        multilabel = target.multilabel or any(isinstance(cell, list | tuple) for cell in given)
        lists = [_as_list(cell) for cell in cells]
        classes = target.classes or _collect_classes(word for words in lists if words for word in words)
        numbers = {name: number for number, name in enumerate(classes)}
        wordy = not any(map(_is_number, classes))
        found: list[list[int] | None] = []
        for name, words in zip(names, lists, strict=True):
            row = (
                None if words is None else [_class_number(word, numbers, bool(target.classes), wordy) for word in words]
            )
            if row is not None and None in row:
                issues.append(DataIssue(name, "label is no known class", IssueTreatment.UNLABELLED, str(words)))
                row = None
            found.append(row)  # type: ignore[arg-type]
        return LabelColumn(cls(classes, multilabel), _to_array(found, len(classes), multilabel))

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        return cls(("cat", "dog", "bird")), torch.tensor(int(rng.integers(3)))

    @property
    def draw_seed(self) -> int:
        return 0

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`classes` is 1 for each class that the image has."""
        counts = np.zeros(len(self.classes), np.int64)
        if value.ndim:
            counts += value.nan_to_num().long().numpy()
        elif int(value) != UNLABELLED:
            counts[int(value)] = 1
        return {"classes": counts}


class LabelColumn(TargetColumn):
    """Classes in memory.

    Args:
        target: names the classes.
        values: (n,) int64, -1 where not labelled; multi-label (n, C) float32, NaN where not labelled.
    """

    def __init__(self, target: LabelTarget, values: LabelArray) -> None:
        self.target: LabelTarget = target
        self.values = values

    def labelled(self) -> NDArray[np.bool_]:
        rows = self.values.reshape(len(self.values), -1).astype(np.float64)
        known: NDArray[np.bool_] = np.logical_and(rows != UNLABELLED, ~np.isnan(rows)).all(axis=1)
        return known

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        return torch.from_numpy(np.asarray(self.values[index]))

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.values[index],)

    def strata(self) -> NDArray[np.int64] | None:
        return self.values.astype(np.int64) if self.values.ndim == 1 else None

    def class_matrix(self) -> NDArray[np.bool_] | None:
        return encode_one_hot(self.values, len(self.target.classes))


def _as_list(cell: Any) -> list[Any] | None:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)) or cell == "":
        return None
    if isinstance(cell, int) and cell < 0:  # the usual number for "no label"
        return None
    return list(cell) if isinstance(cell, list | tuple) else [cell]


def _collect_classes(words: Iterator[Any]) -> tuple[str, ...]:
    """Classes that nobody named: sorted, or all numbers up to the largest."""
    found = set(map(_class_name, words))
    numbers = [int(word) for word in found if _is_number(word)]
    if len(numbers) == len(found) and max(numbers, default=0) < _MOST_CLASSES:
        return tuple(str(number) for number in range(max(numbers, default=-1) + 1))
    return tuple(sorted(found))


def _class_name(word: Any) -> str:
    return str(int(word)) if isinstance(word, bool | float) and word == int(word) else clean_class_name(str(word))


def _class_number(word: Any, numbers: dict[str, int], named: bool, wordy: bool) -> int | None:
    """The class of a name, else of a number.

    Where classes were named before, a number is never a name. Text may be a number where all classes are words; of the
    classes 1, 2 and 3 the texts "1" and "0" cannot both be the first.
    """
    if named and isinstance(word, int) and not isinstance(word, bool):
        return word if word < len(numbers) else None
    name = _class_name(word)
    if name in numbers:
        return numbers[name]
    return int(name) if wordy and _is_number(name) and int(name) < len(numbers) else None


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _to_array(rows: Sequence[Sequence[int] | None], classes: int, multilabel: bool) -> LabelArray:
    if not multilabel:
        return np.array([row[0] if row else UNLABELLED for row in rows], np.int64)
    label = np.full((len(rows), classes), np.nan, np.float32)
    for number, row in enumerate(rows):
        if row is not None:
            label[number] = 0
            label[number, row] = 1
    return label


def encode_one_hot(values: LabelArray, classes: int) -> NDArray[np.bool_]:
    """(n, C) which classes each sample is labelled with.

    >>> encode_one_hot(np.array([1, -1]), 2).tolist(), encode_one_hot(np.array([[1, np.nan]], np.float32), 2).tolist()
    ([[False, True], [False, False]], [[True, False]])
    """
    found: NDArray[np.bool_] = values == 1 if values.ndim == 2 else values[:, None] == np.arange(classes)
    return found
