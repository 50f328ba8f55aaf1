"""The config of a further process (rank) of a training: it reads what rank zero composed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candelabra.cli.overrides import is_sweep
from candelabra.distributed.rendezvous import detect_launcher, receive_config
from candelabra.environment import RUN_VARIABLE
from candelabra.errors import CandelabraError


def load_rank_config(command: str, overrides: Sequence[str]) -> Any:
    """Returns the resolved config of rank zero where this process is another rank of a training, else none.

    Rank zero starts ranks with RUN_VARIABLE set; under torchrun or srun each rank waits for the config.

    Raises:
        CandelabraError: torchrun or srun started a sweep, whose first process never publishes a config.
    """
    if command != "train":
        return None
    if RUN_VARIABLE in os.environ:
        from omegaconf import OmegaConf

        return OmegaConf.load(Path(os.environ[RUN_VARIABLE], "config.yaml"))
    launched = detect_launcher()
    if launched is None:
        return None
    if is_sweep(overrides):
        raise CandelabraError(
            "A sweep starts the processes of its jobs itself, and torchrun or srun has started several of the sweep; "
            "start it once, without them: trainer.devices=<count> gives each job several processes."
        )
    if launched.rank == 0:
        return None
    from omegaconf import OmegaConf

    config: Any = OmegaConf.create(receive_config())
    os.environ[RUN_VARIABLE] = config.folder
    return config
