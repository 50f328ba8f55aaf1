"""A classifier of scikit-learn with a grid of hyper-parameters."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from candelabra.data.loading.workers import count_processors
from candelabra.embeddings.encoder import Vectors
from candelabra.errors import CandelabraError

FoldIndices = NDArray[np.int64]
Folds = Sequence[tuple[FoldIndices, FoldIndices]]
_LAST = "classifier"


@dataclass(frozen=True)
class FittedClassifier:
    """A classifier with the best hyper-parameters of a cross-validation, fitted to all training vectors.

    Args:
        model: the whole pipeline.
        chosen: hyper-parameters.
        cross_validated: mean accuracy over folds, 0 to 1.
        seconds: of the search, the final fit included.
        converged: no fit ran out of iterations.
    """

    model: Pipeline
    chosen: Mapping[str, Any]
    cross_validated: float
    seconds: float
    converged: bool


@dataclass(frozen=True)
class ClassifierCandidate:
    """A classifier to try on features.

    Args:
        words: its name in tables.
        estimator: of scikit-learn.
        steps: transformers before it; they are fitted in each fold.
        grid: values to try by the estimator's parameter.

    Raises:
        CandelabraError: the estimator has no such parameter.
    """

    words: str
    estimator: BaseEstimator
    steps: Sequence[BaseEstimator]
    grid: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        unknown = set(self.grid) - set(self.estimator.get_params())
        if unknown:
            raise CandelabraError(
                f"The grid of {self.words} has {', '.join(sorted(unknown))}, but {type(self.estimator).__name__} takes "
                f"{', '.join(self.estimator.get_params())}."
            )

    def fit(self, vectors: Vectors, labels: FoldIndices, folds: Folds, jobs: int) -> FittedClassifier:
        """Cross-validates the grid by accuracy and fits the best to everything.

        Args:
            vectors: (n, D), all for training.
            labels: (n,) their classes.
            folds: rows to fit to, and rows to judge on.
            jobs: threads.
        """
        steps = [(f"step{number}", step) for number, step in enumerate(self.steps)]
        grid = {f"{_LAST}__{name}": list(values) for name, values in self.grid.items()}
        search = GridSearchCV(Pipeline([*steps, (_LAST, self.estimator)]), grid, scoring="accuracy", cv=folds)
        begun = time.perf_counter()
        # Threads, not processes: scikit-learn passes its workers the warning filters, which name Lightning's classes,
        # so each process of joblib would import torch.
        threads = parallel_config("threading", n_jobs=jobs), threadpool_limits(max(1, count_processors(1) // jobs))
        with threads[0], threads[1], warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            search.fit(vectors, labels)
        seconds = time.perf_counter() - begun
        converged = not any(issubclass(each.category, ConvergenceWarning) for each in caught)
        chosen = {name.removeprefix(f"{_LAST}__"): value for name, value in search.best_params_.items()}
        return FittedClassifier(search.best_estimator_, chosen, float(search.best_score_), seconds, converged)


def make_folds(labels: FoldIndices, groups: FoldIndices | None, count: int, seed: int) -> Folds:
    """Makes folds that are stratified by class; no group is in two folds.

    Args:
        labels: of the rows.
        groups: their groups; null for none.
        count: of folds; fewer where the smallest class, or the groups, are fewer, but 2 at least.
        seed: of the division.

    Raises:
        CandelabraError: count is below 2.
    """
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    if count < 2:
        raise CandelabraError(f"folds={count} must be at least 2.")
    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    if groups is not None:
        fitting = max(2, min(count, len(np.unique(groups))))
        splitter = StratifiedGroupKFold(fitting, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            return list(splitter.split(labels, labels, groups))
    if smallest < 2:
        return list(KFold(min(count, len(labels)), shuffle=True, random_state=seed).split(labels))
    return list(StratifiedKFold(min(count, smallest), shuffle=True, random_state=seed).split(labels, labels))
