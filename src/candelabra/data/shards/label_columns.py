"""From what samples say of themselves (words, numbers, lists) to columns of labels; shared by all kinds of shards."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.types import UNLABELLED, Labels

_MOST_CLASSES = 1_000_000  # a number above is no class


@dataclass
class LabelColumns:
    """One cell a sample; null where a sample does not say. What makes no sense becomes unlabelled, and is listed.

    Args:
        names: of the samples.
        label: a class, as its name or number; a list of them makes the set multi-label.
        box: XYXY in pixels.
        keypoints: [[x, y] or [x, y, visible] or null, ...], or x, y, x, y, ...; in pixels.
    """

    names: Sequence[str]
    label: Sequence[Any]
    box: Sequence[Any]
    keypoints: Sequence[Any]
    issues: list[DataIssue] = field(default_factory=list)

    def labels(self, given: Labels) -> tuple[Labels, NDArray[np.int64] | NDArray[np.float32] | None]:
        """Classes, and for each sample its class (n,), or (n, C) where several may hold.

        Args:
            given: the words known before; without classes, those found are sorted, or numbered.
        """
        given_any = [cell for cell in self.label if cell is not None]
        if not given_any and not given.classes:
            return given, None
        multilabel = given.multilabel or any(isinstance(cell, list | tuple) for cell in given_any)
        cells = [_listed(cell) for cell in self.label]
        classes = given.classes or _classes(word for words in cells if words for word in words)
        numbers = {name: number for number, name in enumerate(classes)}
        found = [self._numbers(row, words, numbers, bool(given.classes)) for row, words in enumerate(cells)]
        labels = replace(given, classes=classes, multilabel=multilabel)
        if not multilabel:
            return labels, np.array([row[0] if row else UNLABELLED for row in found], np.int64)
        label = np.full((len(found), len(classes)), np.nan, np.float32)
        for number, row in enumerate(found):
            if row is not None:
                label[number] = 0
                label[number, row] = 1
        return labels, label

    def _numbers(self, row: int, words: list[Any] | None, numbers: dict[str, int], named: bool) -> list[int] | None:
        found = None if words is None else [_number(word, numbers, named) for word in words]
        if found is None or None not in found:
            return found  # type: ignore[return-value]
        self._odd(row, "label is no known class", str(words))
        return None

    def boxes(self) -> NDArray[np.float32] | None:
        """(n, 4) XYXY, NaN where not labelled; null where no sample has a box."""
        made = self._numeric(self.box, 4, "box is not four numbers")
        if made is None:
            return None
        inverted = (made[:, 2:] < made[:, :2]).any(1)
        for row in np.flatnonzero(inverted):
            self._odd(int(row), "box is inverted", str(made[row].tolist()), IssueTreatment.REPAIRED)
        corners = made.reshape(-1, 2, 2)
        made = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        for row in np.flatnonzero((made[:, 2:] == made[:, :2]).any(1)):
            self._odd(int(row), "box has no area", str(made[row].tolist()))
            made[row] = np.nan
        return made

    def points(self, count: int) -> NDArray[np.float32] | None:
        """(n, K, 2), NaN where not labelled; null where no sample has points.

        Args:
            count: K; 0 takes it from the first sample that has points.
        """
        cells = [_flat(cell) for cell in self.keypoints]
        count = count or next((len(cell) // 2 for cell in cells if cell), 0)
        made = self._numeric(cells, 2 * count, "keypoints are not as many as there are names")
        if made is None:
            return None
        made = made.reshape(-1, count, 2)
        return np.where(np.isnan(made).any(2, keepdims=True), np.float32("nan"), made)

    def _numeric(self, cells: Sequence[Any], width: int, what: str) -> NDArray[np.float32] | None:
        if not width or all(cell is None for cell in cells):
            return None
        made = np.full((len(cells), width), np.nan, np.float32)
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            try:
                with np.errstate(over="ignore"):  # which gives infinity
                    values = np.asarray(cell, np.float32)
            except (TypeError, ValueError, OverflowError):
                values = np.zeros(0, np.float32)
            if values.shape == (width,) and not np.isinf(values).any():
                made[row] = values
            else:
                self._odd(row, what, str(cell)[:80])
        return made

    def _odd(self, row: int, what: str, detail: str, treatment: IssueTreatment = IssueTreatment.UNLABELLED) -> None:
        self.issues.append(DataIssue(self.names[row], what, treatment, detail))


def _listed(cell: Any) -> list[Any] | None:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)) or cell == "":
        return None
    if isinstance(cell, int) and cell < 0:  # nobody gave one
        return None
    return list(cell) if isinstance(cell, list | tuple) else [cell]


def _classes(words: Iterator[Any]) -> tuple[str, ...]:
    found = set(map(_key, words))
    numbers = [int(word) for word in found if word.isascii() and word.isdigit()]
    if len(numbers) == len(found) and max(numbers, default=0) < _MOST_CLASSES:
        return tuple(str(number) for number in range(max(numbers, default=-1) + 1))
    return tuple(sorted(found))


def _key(word: Any) -> str:
    return str(int(word)) if isinstance(word, bool | float) and word == int(word) else str(word).strip()


def _number(word: Any, numbers: dict[str, int], named: bool) -> int | None:
    """The class of a name, else of a number; where classes were named before, a number is never a name."""
    if named and isinstance(word, int) and not isinstance(word, bool):
        return word if word < len(numbers) else None
    name = _key(word)
    if name in numbers:
        return numbers[name]
    return int(name) if name.isascii() and name.isdigit() and int(name) < len(numbers) else None


def _flat(cell: Any) -> Any:
    """Points as x, y, x, y, ...; one without visibility, or null, is NaN."""
    if not isinstance(cell, list | tuple) or not any(isinstance(point, list | tuple) for point in cell):
        return cell
    flat: list[Any] = []
    for point in cell:
        seen = isinstance(point, list | tuple) and (len(point) == 2 or (len(point) == 3 and point[2]))
        flat += list(point[:2]) if seen else [math.nan, math.nan]
    return [math.nan if value is None else value for value in flat]


def parse_metadata(text: str | None, name: str, issues: list[DataIssue]) -> Mapping[str, Any]:
    """What a sample's JSON says; nothing, where it is none, which is then listed.

    Args:
        text: JSON, or null.
        name: of its file.
        issues: gets what is odd.
    """
    if text is None:
        return {}
    try:
        words = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        words = error
    if isinstance(words, dict):
        return words
    issues.append(DataIssue(name, "json is no mapping", IssueTreatment.UNLABELLED, str(words)[:80]))
    return {}


def pick_field(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first value that is there under one of some names."""
    return next((row[name] for name in names if row.get(name) is not None), None)
