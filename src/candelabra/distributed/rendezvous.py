"""Processes that torchrun or srun started, all with the same words: rank zero composes the run and tells the others.

Nothing heavy is imported before there is something to tell: the command line reads this too.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from candelabra.errors import CandelabraError

_PATIENCE = timedelta(days=2)  # rank zero may look for a rate first; who started us ends us where it fails
_LIMIT = timedelta(minutes=10)  # to be reached at all
_FAILED = b"failed"


class LaunchedProcess(NamedTuple):
    """What an environment says of a process that another one started.

    Args:
        rank: from 0, over all machines.
        ranks: how many there are.
        by: torchrun or srun.
    """

    rank: int
    ranks: int
    by: str


def detect_launcher() -> LaunchedProcess | None:
    """Which of several processes this is; none where it was started by itself."""
    for by, sign, rank, ranks in (
        ("torchrun", "TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"),
        ("srun", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS"),
    ):
        if by == "srun" and os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive"):
            continue  # a shell of SLURM's; Lightning sees it so too
        if sign in os.environ and int(os.environ.get(ranks, 1)) > 1:
            return LaunchedProcess(int(os.environ[rank]), int(os.environ[ranks]), by)
    return None


@contextmanager
def lead_ranks(command: str, codes: Sequence[int]) -> Iterator[None]:
    """Keeps the store open while rank zero of a training works, and tells the waiting ranks when it fails.

    Does nothing where this process was started by itself.

    Args:
        command: of the command line; training alone has several ranks.
        codes: exit codes; rank zero has failed where one is not 0.

    Raises:
        CandelabraError: the port of the store is in use.
    """
    launched = detect_launcher() if command == "train" else None
    if launched is None:
        yield
        return
    store = _store(launched)
    failed = True
    try:
        yield
        failed = any(codes)
    finally:
        if failed:
            store.set(_key(), _FAILED)


def publish_config(config: str) -> None:
    """Rank zero says the resolved config, as YAML, once its folder is written."""
    here = detect_launcher()
    if here:
        _store(here, client=True).set(_key(), config.encode())


def receive_config() -> str:
    """Waits for rank zero and returns the config.

    Raises:
        CandelabraError: rank zero has failed, and says why itself.
    """
    here = detect_launcher()
    assert here is not None
    store = _store(here)
    store.wait([_key()], _PATIENCE)
    found: bytes = store.get(_key())
    if found == _FAILED:
        raise CandelabraError(f"rank {here.rank}: rank 0 could not begin the run; it says why.")
    return found.decode()


def _key() -> str:
    """Torchrun may start all again, with the store that it has."""
    return f"candelabra/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"


def _store(here: LaunchedProcess, client: bool = False) -> Any:
    """Torchrun has a store open; under srun rank zero opens one, beside the port that training will use."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    agents = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if here.by == "torchrun":
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]) + (not agents)
    else:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        address, port = SLURMEnvironment().main_address, SLURMEnvironment().main_port + 1
    host = here.rank == 0 and not agents and not client
    try:
        return TCPStore(address, port, is_master=host, timeout=_LIMIT, wait_for_workers=False)
    except RuntimeError as error:
        raise CandelabraError(
            f"rank {here.rank} cannot meet the others at {address}:{port} ({str(error).splitlines()[0]}); set "
            "MASTER_ADDR to a name of the first machine that all can reach, and MASTER_PORT to a free port."
        ) from error
