"""From what was typed to a command at work: Hydra composes, then what the command needs is loaded."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from candelabra.cli.exit_codes import call_with_exit_code
from candelabra.cli.help import CONFIG_NAMES
from candelabra.distributed.rendezvous import receive_config
from candelabra.distributed.slurm import find_slurm_run
from candelabra.environment import CONFIG_FOLDER, RUN_VARIABLE
from candelabra.errors import CandelabraError
from candelabra.runs.overrides import parse_key, resolve_run_folder


def compose(command: str, overrides: Sequence[str]) -> int:
    """Lets Hydra compose conf/<command>.yaml with what was typed, then runs the command on it."""
    import hydra

    if command == "train":
        overrides = _sweeping(_continuing(overrides))
    elif command in CONFIG_NAMES and {"-m", "--multirun"} & set(overrides):
        overrides = ["hydra/sweeper=basic", "hydra/launcher=basic", *overrides]
    if command == "eval":  # where it has moved: which sets there are, the checkpoint knows
        overrides = [f"+{word}" if word.startswith("data.sets.") else word for word in overrides]
    typed = sys.argv
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=CONFIG_NAMES.get(command, command))
    def job(config: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        sys.argv = typed
        alone = command != "train" or HydraConfig.get().mode is RunMode.RUN
        if alone:
            codes.append(call_with_exit_code(lambda: dispatch(command, config)))
        else:  # by another launcher than ours, which wants to know of failures
            dispatch(command, config)
        return _results(Path(config.folder)) if command == "train" and not any(codes[-1:]) else None

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # hydra/launcher=ray: nothing is sent unless asked
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it then raises what it would print, and we choose the words
    sys.argv = [typed[0], *overrides]
    job()
    return max(codes, default=0)


def is_sweep_command(words: Sequence[str]) -> bool:
    """Whether what was typed is a sweep: it says so, or names a sampler."""
    return bool({"-m", "--multirun"} & set(words)) or any(word.startswith("sweep=") for word in words)


def _sweeping(overrides: Sequence[str]) -> Sequence[str]:
    """A sampler that is named makes it a sweep."""
    flags = {"-m", "--multirun", "-c", "--cfg"} & set(overrides)
    return ["-m", *overrides] if is_sweep_command(overrides) and not flags else overrides


def _results(folder: Path) -> dict[str, float] | None:
    """What a sweep may seek."""
    import json

    path = folder / "results.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _continuing(overrides: Sequence[str]) -> list[str]:
    """A run that goes on is composed from the words it was begun with, and writes into its own folder."""
    from omegaconf import OmegaConf

    given = next((word.partition("=")[2].strip("'\"") for word in overrides if word.startswith("resume=")), None)
    again = find_slurm_run()
    if given is None and again is not None:  # SLURM has started this job once more
        given, overrides = str(again), [f"resume={again}"]
    run = resolve_run_folder(Path(given or "null"))
    if not (run / "config.yaml").is_file():
        return list(overrides)
    keys = {parse_key(word) for word in overrides}
    begun_with: Any = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    words = begun_with.get("words", [])
    kept = [word for word in words if parse_key(word) not in {*keys, "anew", "hydra.run.dir"}]
    place = next(index for index, word in enumerate(overrides) if word.startswith("resume="))
    first = place
    while first and "=" in overrides[first - 1] and not overrides[first - 1].startswith("-"):
        first -= 1  # what is typed goes after what was; flags and words in turn are not understood
    return [*overrides[:first], *kept, *overrides[first : place + 1], f"hydra.run.dir='{run}'", *overrides[place + 1 :]]


def dispatch(command: str, config: Any) -> int:
    """Runs a command; the exit code where it went well."""
    from omegaconf import OmegaConf

    missing = {key for key in OmegaConf.missing_keys(config) if command != "plan" or not key.startswith("data.")}
    for key in sorted(missing):  # told before torch is loaded
        raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    import logging
    import warnings

    logging.getLogger("timm").setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    return call_command(command, config)


def call_command(command: str, words: Any) -> int:
    """Loads a command and runs it on its config or, where it composes nothing, on its words; the exit code."""
    module = import_module(f"candelabra.commands.{command}")
    return int(getattr(module, f"run_{command}")(words) or 0)


def run_rank() -> None:
    """A further process of a run: the same resolved config, whatever this process was told."""
    from omegaconf import OmegaConf

    dispatch("train", OmegaConf.load(Path(os.environ[RUN_VARIABLE], "config.yaml")))


def run_follower() -> None:
    """A further process that torchrun or srun started: the config that rank zero resolved.

    Raises:
        CandelabraError: it is a sweep, whose first process would never tell a config.
    """
    from omegaconf import OmegaConf

    if is_sweep_command(sys.argv[1:]):
        raise CandelabraError(
            "A sweep starts the processes of its jobs itself, and torchrun or srun has started several of the sweep; "
            "start it once, without them: trainer.devices=<count> gives each job several processes."
        )
    config: Any = OmegaConf.create(receive_config())
    os.environ[RUN_VARIABLE] = config.folder
    dispatch("train", config)
