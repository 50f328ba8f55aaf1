"""What is typed, in Hydra's grammar of overrides: words that stay the same, and keys with several values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from ._errors import SweepError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class SearchSpace:
    """What is the same in all jobs, and what is varied.

    Attributes:
        fixed: words by key.
        varied: parsed words by key; choices, ranges, intervals.
    """

    fixed: Mapping[str, str]
    varied: Mapping[str, Override]

    def combinations(self) -> Iterator[list[str]]:
        """The words of each job of a grid; the last key changes fastest, as in Hydra's own sweeper.

        Raises:
            SweepError: a key has infinitely many values.
        """
        lists = [[f"{key}={value}" for value in _values(key, word)] for key, word in self.varied.items()]
        for chosen in product(*lists):
            yield [*self.fixed.values(), *chosen]

    def samples(self) -> Iterator[list[str]]:
        """Words in which each choice occurs once; whether they compose can be tried before any job begins."""
        first = {key: _first(word) for key, word in self.varied.items()}
        yield [*self.fixed.values(), *(f"{key}={value}" for key, value in first.items())]
        for key, word in self.varied.items():
            if word.is_choice_sweep():
                for value in list(word.sweep_string_iterator())[1:]:
                    yield [*self.fixed.values(), *(f"{k}={v}" for k, v in {**first, key: value}.items())]

    def distributions(self) -> "dict[str, BaseDistribution]":
        """Optuna's, by key.

        Raises:
            SweepError: nothing is varied, or bounds do not fit.
        """
        if not self.varied:
            raise SweepError(
                "A study needs something to vary, and every key has one value: add "
                "'lr=tag(log,interval(1e-4,1e-1))' or width=8,16,32, say."
            )
        return {key: _distribution(key, word) for key, word in self.varied.items()}

    def words(self, values: Mapping[str, object]) -> list[str]:
        """Those of the job with these values of what is varied."""
        return [*self.fixed.values(), *(f"{key}={values[key]}" for key in self.varied)]


def parse_search_space(listed: Mapping[str, object], words: Sequence[str], loader: ConfigLoader | None) -> SearchSpace:
    """What is varied: as listed by key in a yaml, and as typed, which goes before it.

    Raises:
        HydraException: a word is not of the grammar.
    """
    fixed: dict[str, str] = {}
    varied: dict[str, Override] = {}
    for word in OverridesParser.create(loader).parse_overrides([*(f"{k}={v}" for k, v in listed.items()), *words]):
        key = word.get_key_element()
        fixed.pop(key, None)
        varied.pop(key, None)
        if word.is_sweep_override():
            varied[key] = word
        else:
            fixed[key] = str(word.input_line)
    return SearchSpace(fixed, varied)


def _values(key: str, word: Override) -> list[str]:
    if word.is_interval_sweep():
        raise SweepError(
            f"{word.input_line} has infinitely many values, and a grid goes through all; name some ({key}=1,2,3), or a "
            "sampler that draws them."
        )
    return list(word.sweep_string_iterator())


def _first(word: Override) -> str:
    value = word.value()
    return str(value.start) if isinstance(value, IntervalSweep) else next(iter(word.sweep_string_iterator()), "")


def _distribution(key: str, word: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = word.value()
    try:
        if isinstance(value, IntervalSweep):
            log = "log" in value.tags
            if isinstance(value.start, int) and isinstance(value.end, int):
                return IntDistribution(value.start, value.end, log=log)
            return FloatDistribution(float(value.start or 0), float(value.end or 0), log=log)
        if isinstance(value, RangeSweep) and not value.shuffle:
            values = list(value.range())
            step = abs(value.step)
            if isinstance(values[0], int):
                return IntDistribution(min(values), max(values), step=int(step))
            return FloatDistribution(min(values), max(values), step=float(step))
        return CategoricalDistribution(list(word.sweep_string_iterator()))
    except (ValueError, IndexError) as error:
        raise SweepError(f"{word.input_line} is no range of values for {key}: {error}") from error
