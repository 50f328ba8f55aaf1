"""How much each parameter of a sweep mattered: fANOVA (Hutter et al. 2014) on its finished jobs, by Optuna."""

import math
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ._results import SweepResults

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_FEWEST = 5  # finished jobs from which anything can be said
_WIDE = 100.0  # ratio of the largest to the smallest number from which a parameter is taken by its logarithm
_MOST = 300  # jobs that are looked at, evenly spread: a forest over thousands takes minutes and says the same


class UnknownImportance(Exception):
    """Why nothing can be said of importance; the message is a sentence."""


def compute_importances(results: SweepResults) -> dict[str, dict[str, float]]:
    """For each objective the share of its variance that each parameter explains, the largest first; they sum to 1.

    Raises:
        UnknownImportance: too few jobs have finished, nothing varied, or Optuna is not installed.
    """
    jobs = results.judged()
    if len(jobs) < _FEWEST:
        raise UnknownImportance(f"{len(jobs)} jobs have results, and importance is told from {_FEWEST}")
    places = {job.number: place for place, job in enumerate(results.jobs)}
    kept = jobs[:: math.ceil(len(jobs) / _MOST)]
    columns = {key: [words[places[job.number]] for job in kept] for key, words in results.parameters().items()}
    columns = {key: words for key, words in columns.items() if len(set(words)) > 1}
    if not columns:
        raise UnknownImportance("the finished jobs differ in no parameter")
    found = {}
    for objective in results.objectives:
        values = [job.values[objective] for job in kept]
        if all(math.isfinite(value) for value in values) and len(set(values)) > 1:
            found[objective] = _explained(columns, values)
    if not found:
        raise UnknownImportance("the finished jobs have equal results, or infinite ones")
    return found


def _explained(columns: Mapping[str, Sequence[str]], values: Sequence[float]) -> dict[str, float]:
    """The jobs as a study of their own: so it is the same for a grid, and needs no storage."""
    if len(columns) == 1:
        return dict.fromkeys(columns, 1.0)
    if find_spec("optuna") is None:
        raise UnknownImportance("the package optuna is not installed")
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parts of Optuna call themselves experimental
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study()
            typed = {key: _typed(words) for key, words in columns.items()}
            space = {key: distribution for key, (_, distribution) in typed.items()}
            for place, value in enumerate(values):
                taken = {key: numbers[place] for key, (numbers, _) in typed.items()}
                study.add_trial(optuna.trial.create_trial(params=taken, distributions=space, value=value))
            # Optuna's default is PED-ANOVA. With few jobs fANOVA takes chance for importance, too.
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            return optuna.importance.get_param_importances(study, evaluator=evaluator)
        finally:
            optuna.logging.set_verbosity(verbosity)


def _typed(words: Sequence[str]) -> tuple[Sequence[float | str], "BaseDistribution"]:
    """The values of a parameter as numbers where they all are, and the range that they cover."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return words, CategoricalDistribution(sorted(set(words)))
    if not all(math.isfinite(number) for number in numbers):
        return words, CategoricalDistribution(sorted(set(words)))
    low, high = min(numbers), max(numbers)
    if low == high:  # the same number in other words
        return words, CategoricalDistribution(sorted(set(words)))
    return numbers, FloatDistribution(low, high, log=low > 0 and high / low >= _WIDE)
