"""The contract of `logger`: where the numbers, pictures and tables of a run go."""

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
    STOPPED = "stopped"  # by a signal: it can go on


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run before its first step.

    Attributes:
        config: resolved, plain.
        code: versions of what runs, by name; see `code_version`.
        step: 0, or the optimizer step that it goes on from.
        past: what was logged before, where it goes on.
    """

    config: PlainConfig
    code: Mapping[str, str]
    step: int
    past: LoggedMetrics


class LoggedTable(NamedTuple):
    """Rows of words and numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


class LoggedEmbedding(NamedTuple):
    """Images as a backbone sees them.

    Args:
        vectors: (n, d) float32.
        table: what each image is, a row each.
        thumbnails: (n, s, s, 3) uint8.
    """

    vectors: NDArray[np.float32]
    table: LoggedTable
    thumbnails: NDArray[np.uint8]


class RunLogger(ABC):
    """Keeps what a run tells it; a final class says where.

    Any method may raise whatever it likes, and may take its time: a `Guard` calls all of them, in order, from one
    thread that nobody waits for. A constructor only looks at its arguments; `begin` is what opens files or servers.
    """

    @abstractmethod
    def begin(self, facts: RunFacts) -> None:
        """Opens the run, or the one of that folder again where it goes on, with its config and its code.

        A run that it did not have gets all that was logged in the past before `facts.step`.
        """

    @abstractmethod
    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Metrics by name; what was logged at these steps before a run went on must not be there twice."""

    @abstractmethod
    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """An image (H, W, 3)."""

    @abstractmethod
    def table(self, name: str, table: LoggedTable, step: int) -> None:
        """A table, once a run."""

    @abstractmethod
    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        """Vectors, once a run."""

    @abstractmethod
    def checkpoint(self, path: Path) -> None:
        """The best weights, once a run; where it was asked for, they are kept."""

    @abstractmethod
    def end(self, status: RunStatus) -> None:
        """Writes and sends all that is left."""

    @abstractmethod
    def later(self) -> str:
        """How to see or send what is kept on this machine, in a sentence."""

    @property
    @abstractmethod
    def timeout(self) -> float:
        """How long the end of a run waits for it, in seconds."""
