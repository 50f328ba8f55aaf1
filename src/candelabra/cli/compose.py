"""Composes the config of a command with Hydra, then imports the command and calls it.

Hydra composes before torch is imported: a wrong option is reported in less than a second, and the shell completion and
the parent process of a sweep never import torch.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from candelabra.cli.exit_codes import exit_codes
from candelabra.cli.help import CONFIG_NAMES
from candelabra.cli.overrides import add_resumed_overrides, add_sweep_flag, is_multirun
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError

Command = Callable[[Any], Any]


def compose(command: str, overrides: Sequence[str], codes: list[int]) -> Callable[[], None]:
    """Returns a function that composes conf/<command>.yaml with the overrides and calls the command with the config.

    Args:
        command: a word of the command line.
        overrides: what was typed behind it.
        codes: the exit codes of jobs that failed are appended.
    """
    import hydra

    if command == "train":
        overrides = add_sweep_flag(add_resumed_overrides(overrides))
    elif command in CONFIG_NAMES and is_multirun(overrides):
        overrides = ["hydra/sweeper=basic", "hydra/launcher=basic", *overrides]
    if command == "eval":  # the sets of a union are known to the checkpoint, not to conf/eval.yaml
        overrides = [f"+{word}" if word.startswith("data.sets.") else word for word in overrides]
    typed = sys.argv

    @hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=CONFIG_NAMES.get(command, command))
    def run_composed(config: Any) -> Any:
        sys.argv = typed  # Lightning starts further ranks with it
        if _belongs_to_sweeper(command):  # errors are reported to the sweeper
            prepare_command(command, config)
            return find_command(command)(config)
        with exit_codes(codes):  # here: Hydra would print its own line before an error that passes through it
            prepare_command(command, config)
            value = find_command(command)(config)
            codes.extend([value] if isinstance(value, int) else [])
            return value

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # hydra/launcher=ray: no usage statistics are sent
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing them
    sys.argv = [typed[0], *overrides]
    program: Callable[[], None] = run_composed
    return program


def _belongs_to_sweeper(command: str) -> bool:
    """Whether this is a job that a launcher of Hydra runs in this process for a sweep of trainings."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return command == "train" and HydraConfig.get().mode is not RunMode.RUN


def find_command(command: str) -> Command:
    """Imports the function of a command: `run_<command>` in candelabra/commands/<command>.py."""
    function: Command = getattr(import_module(f"candelabra.commands.{command}"), f"run_{command}")
    return function


def prepare_command(command: str, config: Any) -> None:
    """Checks that nothing mandatory is missing, and hides warnings meant for developers; imports nothing heavy.

    Raises:
        CandelabraError: a mandatory key has no value.
    """
    import logging
    import warnings

    from omegaconf import OmegaConf

    missing = {key for key in OmegaConf.missing_keys(config) if command != "plan" or not key.startswith("data.")}
    for key in sorted(missing):
        raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    logging.getLogger("timm").setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module="lightning|torch|timm")


def detach_hydra(config: Any) -> list[str]:
    """Resolves the run folder, resets Hydra's global config, and returns the overrides of the command line.

    Lightning asks Hydra's global config how to start further ranks, each of which would compose a config of its own;
    ranks of candelabra read the config.yaml of the run.
    """
    from hydra.core.hydra_config import HydraConfig

    overrides = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    if HydraConfig.initialized() or not config.resume:
        config.folder = str(config.folder)
    HydraConfig.instance().cfg = None
    return overrides
