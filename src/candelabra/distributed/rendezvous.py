"""Ranks started by torchrun or srun: rank zero composes the config and publishes it to the others.

Nothing heavy is imported at module level, as the command line imports this module.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from candelabra.errors import CandelabraError

_CONFIG_TIMEOUT = timedelta(days=2)  # rank zero may run a range test first; the launcher ends the ranks if it fails
_CONNECT_TIMEOUT = timedelta(minutes=10)
_FAILED = b"failed"


class LaunchedProcess(NamedTuple):
    """A process that torchrun or srun started, according to its environment.

    Args:
        rank: from 0, over all machines.
        ranks: how many there are.
        by: torchrun or srun.
    """

    rank: int
    ranks: int
    by: str


def detect_launcher() -> LaunchedProcess | None:
    """Detects the launcher and the rank of this process; none if it was started by itself."""
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
    """Publishes the resolved config, as YAML, from rank zero to the waiting ranks."""
    here = detect_launcher()
    if here:
        _store(here, client=True).set(_key(), config.encode())


def receive_config() -> str:
    """Waits for rank zero and returns the config.

    Raises:
        CandelabraError: rank zero failed; it prints the reason itself.
    """
    here = detect_launcher()
    assert here is not None
    store = _store(here)
    store.wait([_key()], _CONFIG_TIMEOUT)
    found: bytes = store.get(_key())
    if found == _FAILED:
        raise CandelabraError(f"rank {here.rank}: rank 0 could not begin the run; it says why.")
    return found.decode()


def _key() -> str:
    """The key of the config; torchrun may restart all ranks with the same store."""
    return f"candelabra/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"


def _store(here: LaunchedProcess, client: bool = False) -> Any:
    """Connects to the store of torchrun; under srun rank zero opens one, on the port after that of training."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    agents = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if here.by == "torchrun":
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]) + (not agents)
    else:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        address, port = SLURMEnvironment().main_address, SLURMEnvironment().main_port + 1
    host = here.rank == 0 and not agents and not client
    try:
        return TCPStore(address, port, is_master=host, timeout=_CONNECT_TIMEOUT, wait_for_workers=False)
    except RuntimeError as error:
        raise CandelabraError(
            f"rank {here.rank} cannot meet the others at {address}:{port} ({str(error).splitlines()[0]}); set "
            "MASTER_ADDR to a name of the first machine that all can reach, and MASTER_PORT to a free port."
        ) from error
