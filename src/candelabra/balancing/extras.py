"""Solvers that not everybody wants to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from candelabra.errors import CandelabraError


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Says how to install what is missing.

    Raises:
        CandelabraError: something is.
    """
    try:
        yield
    except ImportError as error:
        raise CandelabraError(
            f"This balance needs a solver that is not installed; pip install 'candelabra[{extra}]' brings it, and "
            "balance=pcgrad, mgda, aligned_mtl and upgrad need none."
        ) from error
