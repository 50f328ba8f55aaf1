"""The interface of loggers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.config.build import PlainConfig
from candelabra.runs.metrics_csv import LoggedMetrics


class RunStatus(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"  # by a signal; the run can be resumed


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run before its first step.

    Attributes:
        config: resolved, plain.
        code: versions by name; see `find_code_version`.
        step: 0, or the optimizer step from which the run resumes.
        past: rows that were logged before the run resumed.
    """

    config: PlainConfig
    code: Mapping[str, str]
    step: int
    past: LoggedMetrics


class LoggedTable(NamedTuple):
    """A table of text and numbers; null where there is none."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]


class LoggedEmbedding(NamedTuple):
    """Embedded images.

    Args:
        vectors: (n, d) float32.
        table: one row for each image.
        thumbnails: (n, s, s, 3) uint8.
    """

    vectors: NDArray[np.float32]
    table: LoggedTable
    thumbnails: NDArray[np.uint8]


class RunLogger(ABC):
    """Base class of loggers.

    Methods may raise any error and may be slow: a `GuardedLogger` calls them, in order, from a thread of its own. A
    constructor only checks its arguments; `begin` opens files or connections.
    """

    @abstractmethod
    def begin(self, facts: RunFacts) -> None:
        """Opens the run, or reopens it if it resumes, and logs config and code versions.

        If the logger does not have the run yet, it also logs the past before `facts.step`.
        """

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Logs metrics by name. Steps that a resumed run repeats must not appear twice."""

    @abstractmethod
    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Logs an image (H, W, 3)."""

    @abstractmethod
    def table(self, name: str, table: LoggedTable, step: int) -> None:
        """Logs a table, once a run."""

    @abstractmethod
    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        """Logs vectors, once a run."""

    @abstractmethod
    def checkpoint(self, path: Path) -> None:
        """Logs the best checkpoint, once a run; it is uploaded only where the user asks for that."""

    @abstractmethod
    def end(self, status: RunStatus) -> None:
        """Writes and sends pending data, and closes the run."""

    @abstractmethod
    def later(self) -> str:
        """Returns a sentence on how to view or send the data that is on this machine."""

    @property
    @abstractmethod
    def timeout(self) -> float:
        """Seconds that the end of a run waits for this logger."""
