"""The target `ordinal`: a grade of an image, of several in an order, such as the stage of a disease."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.class_words import clean_class_name, clean_listed_names
from candelabra.data.decoding.images import DecodedImage
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.fields import check_field
from candelabra.data.targets.target import Target
from candelabra.errors import CandelabraError, list_nearest
from candelabra.results import GradeResult
from candelabra.types import UNLABELLED, Size

_MOST_GRADES = 100  # more are numbers to be regressed: `value`


@dataclass(frozen=True)
class OrdinalTarget(Target):
    """The grade of an image: () int64, -1 where not labelled; a prediction is (G,) probabilities of the grades.

    Args:
        grades: their names, lowest first; at least two.
    """

    name: ClassVar[str] = "ordinal"
    position: ClassVar[int] = 5
    fields: ClassVar[tuple[str, ...]] = ("ordinal", "grade")
    hub_columns: ClassVar[tuple[str, ...]] = ("ordinal", "grade")
    table_hint = "data.grade=<column> names the column of a table that has the grade."
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "mix"

    grades: tuple[str, ...] = ()

    def missing(self, size: Size) -> Tensor:
        return torch.tensor(UNLABELLED)

    def is_labelled(self, values: Tensor) -> Tensor:
        return values >= 0

    def caption(self, value: Tensor) -> str:
        if value.ndim:
            return str(self.to_result(value))
        return self.grades[int(value)] if value >= 0 else ""

    def prediction_header(self) -> list[str]:
        return ["grade", "grade_probability"]

    def prediction_row(self, value: Tensor) -> list[str]:
        result = self.to_result(value)
        return [result.name, f"{result.probability:.4f}"]

    def to_result(self, value: Tensor) -> GradeResult:
        return GradeResult(self.grades, value.numpy())

    def to_json_result(self, value: Tensor) -> Any:
        return self.to_result(value).to_dict()

    @property
    def confusion_classes(self) -> Sequence[str]:
        return self.grades

    def table_header(self) -> list[str]:
        return [self.name]

    def table_cells(self, value: Any, file: str) -> list[Any]:
        return [value]

    def to_json(self, value: Tensor) -> Any:
        return None if int(value) == UNLABELLED else self.grades[int(value)]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        for key in plain:
            if key != "grades":
                raise CandelabraError(f"{where}: {cls.name} has no {key!r}; allowed is grades.")
        return cls(check_field(clean_listed_names(plain.get("grades", ())), (), f"{where}: {cls.name}_grades"))

    @classmethod
    def read_table(cls, table: Any, root: Path, described: Self | None, issues: list[DataIssue]) -> TargetColumn | None:
        if cls.name not in table:
            return None
        return cls.read_records(table[cls.name].tolist(), table["image"].tolist(), described, issues)

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        """Grades as names, or as whole numbers.

        Raises:
            CandelabraError: grades are words, and nobody said in which order.
        """
        words = [_name_grade(cell) for cell in cells]
        given = {word for word in words if word is not None}
        if not given and described is None:
            return None
        grades = described.grades if described and described.grades else _order_grades(given)
        numbers = {name: number for number, name in enumerate(grades)}
        values = np.full(len(words), UNLABELLED, np.int64)
        for row, word in enumerate(words):
            if word in numbers:
                values[row] = numbers[word]
            elif word is not None:
                detail = f"{word:.60}; known are {list_nearest(word, grades)}"
                issues.append(DataIssue(names[row], "grade is not known", IssueTreatment.UNLABELLED, detail))
        return OrdinalColumn(cls(grades), values)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        return cls(("none", "mild", "severe")), torch.tensor(int(rng.integers(3)))

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`grades` is 1 for the grade that the image has."""
        counts = np.zeros(len(self.grades), np.int64)
        if int(value) != UNLABELLED:
            counts[int(value)] = 1
        return {"grades": counts}


class OrdinalColumn(TargetColumn):
    """Grades in memory.

    Args:
        target: names the grades.
        values: (n,) int64, -1 where not labelled.
    """

    def __init__(self, target: OrdinalTarget, values: NDArray[np.int64]) -> None:
        self.target: OrdinalTarget = target
        self.values = values

    def labelled(self) -> NDArray[np.bool_]:
        return np.asarray(self.values != UNLABELLED)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        return torch.tensor(int(self.values[index]))

    def content(self, index: int) -> tuple[Any, ...]:
        return self.target.grades, int(self.values[index])

    def strata(self) -> NDArray[np.int64] | None:
        return self.values


def _name_grade(cell: Any) -> str | None:
    """The name of a grade; 2.0 is 2. Null for an empty cell, and for -1, the usual number for "no label"."""
    if isinstance(cell, bool | np.bool_):
        return str(int(cell))
    if isinstance(cell, int | float | np.number):
        if not math.isfinite(cell) or cell < 0:
            return None
        return str(int(cell)) if cell == int(cell) else str(cell)
    return clean_class_name(str(cell)) or None if cell is not None else None


def _order_grades(found: set[str]) -> tuple[str, ...]:
    """The grades that nobody named: all whole numbers up to the largest, from 0, or from 1 where there is no 0.

    Raises:
        CandelabraError: they are no whole numbers, too many, or a single one.
    """
    words = sorted(found)
    if not all(word.isascii() and word.isdigit() for word in words):
        raise CandelabraError(
            f"The grades {', '.join(words[:8])} are no whole numbers, so their order is not known; give it, lowest "
            "first: 'data.words={ordinal_grades:[none,mild,severe]}'."
        )
    numbers = [int(word) for word in words]
    if len(numbers) < 2 or max(numbers) >= _MOST_GRADES:
        raise CandelabraError(
            f"The grades {', '.join(words[:8])} are {len(words)} different numbers up to {max(numbers)}; there must be "
            f"at least two, below {_MOST_GRADES}. Numbers in a unit are learned as values: data.values=[<column>]."
        )
    return tuple(str(number) for number in range(min(1, *numbers), max(numbers) + 1))
