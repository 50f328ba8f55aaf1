"""The target `value`: one or more named numbers of an image, such as an age, a price or a count."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.target import Target
from candelabra.errors import CandelabraError, list_nearest
from candelabra.results import Estimate, name_numbers, numbers_to_json
from candelabra.types import Size


@dataclass(frozen=True)
class ValueTarget(Target):
    """Numbers of an image: (K,) float32, NaN where not labelled.

    A prediction is (K,), or (K, 2) with the standard deviation of each number.

    Args:
        names: of the numbers, which are the columns of a table.
    """

    name: ClassVar[str] = "value"
    position: ClassVar[int] = 4
    fields: ClassVar[tuple[str, ...]] = ("value", "values")
    hub_columns: ClassVar[tuple[str, ...]] = ("value",)
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "mix"
    deviations: ClassVar[bool] = False
    table_hint = "data.values=[<column>,...] names columns of numbers in a table."

    names: tuple[str, ...] = ("value",)

    def with_deviations(self) -> Self:
        """The same, whose predictions come with standard deviations."""
        changed = copy(self)
        object.__setattr__(changed, "deviations", True)
        return changed

    def missing(self, size: Size) -> Tensor:
        return torch.full((len(self.names),), torch.nan)

    def is_labelled(self, values: Tensor) -> Tensor:
        return ~values.isnan().all(1)

    def caption(self, value: Tensor) -> str:
        numbers = value.reshape(len(self.names), -1).tolist()
        named = [(name, each) for name, each in zip(self.names, numbers, strict=True) if each[0] == each[0]]
        return ", ".join(f"{name} {' ± '.join(f'{number:.4g}' for number in each)}" for name, each in named)

    def prediction_header(self) -> list[str]:
        return [column for name in self.names for column in (name, f"{name}_std")[: 1 + self.deviations]]

    def prediction_row(self, value: Tensor) -> list[str]:
        return [f"{number:.7g}" for number in value.flatten().tolist()]

    def to_result(self, value: Tensor) -> dict[str, float] | dict[str, Estimate]:
        return name_numbers(self.names, value.numpy())

    def to_json_result(self, value: Tensor) -> Any:
        return numbers_to_json(self.to_result(value))

    def table_header(self) -> list[str]:
        return list(self.names)

    def table_cells(self, value: Any, file: str) -> list[Any]:
        return [(value or {}).get(name) for name in self.names]

    def to_json(self, value: Tensor) -> Any:
        numbers = zip(self.names, value.tolist(), strict=True)
        return {name: number for name, number in numbers if number == number} or None

    @classmethod
    def read_table(cls, table: Any, root: Path, described: Self | None, issues: list[DataIssue]) -> TargetColumn | None:
        """The columns that are named, else `value`; what is no number is not labelled."""
        names = described.names if described else tuple(name for name in cls().names if name in table)
        for name in names:
            if name not in table:
                known = list_nearest(name, [str(column) for column in table.columns])
                raise CandelabraError(f"data.values names {name}, which is no column of the table; it has {known}.")
        if not names:
            return None
        cells = [dict(zip(names, row, strict=True)) for row in table[list(names)].itertuples(index=False)]
        return cls._parse(cells, table["image"].tolist(), names, issues)

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        """Mappings of names to numbers, or a number alone."""
        if described is None and all(cell is None for cell in cells):
            return None
        known = described.names if described else _collect_names(cells) or cls().names
        return cls._parse(cells, names, known, issues)

    @classmethod
    def _parse(
        cls, cells: Sequence[Any], samples: Sequence[str], names: tuple[str, ...], issues: list[DataIssue]
    ) -> TargetColumn:
        values = np.full((len(cells), len(names)), np.nan, np.float32)
        for row, cell in enumerate(cells):
            numbers = cell if isinstance(cell, Mapping) else {names[0]: cell} if len(names) == 1 else {}
            for column, name in enumerate(names):
                number = numbers.get(name)
                if number is None or number != number:
                    continue
                try:
                    values[row, column] = np.float32(number)
                except (TypeError, ValueError):
                    values[row, column] = np.inf
                if not np.isfinite(values[row, column]):
                    values[row, column] = np.nan
                    detail = f"{name}={number!r:.60}"
                    issues.append(DataIssue(samples[row], "value is no number", IssueTreatment.UNLABELLED, detail))
        return ValueColumn(cls(names), values)

    def merge(self, other: Self) -> Self | None:
        """Both sets of names; where a data set does not tell a number, it is not labelled."""
        return type(self)((*self.names, *(name for name in other.names if name not in self.names))).rename(self.name)

    def match_value(self, value: Tensor, given: Self, size: Size) -> Tensor:
        found = self.missing(size)
        places = [self.names.index(name) for name in given.names]
        found[places] = value
        return found

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        return cls(("age", "height")), torch.from_numpy(rng.uniform(10, 90, 2).astype(np.float32))

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`known` counts labels of each name."""
        return {"known": (~value.isnan()).numpy().astype(np.int64)}


class ValueColumn(TargetColumn):
    """Numbers in memory.

    Args:
        target: names them.
        values: (n, K) float32, NaN where not labelled.
    """

    def __init__(self, target: ValueTarget, values: NDArray[np.float32]) -> None:
        self.target: ValueTarget = target
        self.values = values

    def labelled(self) -> NDArray[np.bool_]:
        return np.logical_not(np.isnan(self.values).all(axis=1))

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        return torch.from_numpy(self.values[index].copy())

    def content(self, index: int) -> tuple[Any, ...]:
        return self.target.names, self.values[index]


def _collect_names(cells: Sequence[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(name) for cell in cells if isinstance(cell, Mapping) for name in cell))
