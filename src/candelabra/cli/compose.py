"""Composes the config of a command with Hydra, then imports the command and calls it.

Hydra composes before torch is imported: a wrong option is reported in less than a second, and the shell completion and
the parent process of a sweep never import torch.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from candelabra.cli.added_keys import check_added_keys
from candelabra.cli.deferred_modules import import_lazily
from candelabra.cli.exit_codes import handle_exit_codes
from candelabra.cli.help import COMMANDS, CONFIG_NAMES
from candelabra.cli.key_hints import check_bare_words
from candelabra.cli.library_imports import UNUSED, import_libraries
from candelabra.cli.overrides import (
    add_data_format,
    add_detector,
    add_resumed_overrides,
    add_sweep_flag,
    find_resumed_run,
    is_multirun,
    is_sweep,
    set_run_folder,
)
from candelabra.cli.plugin_commands import activate_recorded_plugins, add_config_folders, list_plugin_commands
from candelabra.cli.typed_words import HYDRA_FLAGS, check_hyphens, find_hyphens, normalize_words
from candelabra.environment import CONFIG_FOLDER, keep_freed_memory
from candelabra.errors import CandelabraError
from candelabra.plugins.discovery import activate_plugins, list_active_plugins
from candelabra.runs.overrides import parse_key
from candelabra.runs.run_config import read_run_config

Command = Callable[[Any], Any]
_TRAINED_DATA = ("eval", "export")  # commands whose data are those of the checkpoint, wherever they are now


def compose(command: str, overrides: Sequence[str], codes: list[int]) -> Callable[[], None]:
    """Returns a function that composes conf/<command>.yaml with the overrides and calls the command with the config.

    Args:
        command: a word of the command line.
        overrides: what was typed behind it.
        codes: the exit codes of jobs that failed are appended.
    """
    import hydra

    if is_sweep(overrides):
        gc.enable()  # the parent process of a sweep runs for long, and imports no command
    if "-sc" not in overrides:
        _check_flags(command, overrides)
        check_bare_words(command, overrides)
        overrides = normalize_words(overrides, multirun=is_sweep(overrides))
    overrides = expand_overrides(command, overrides)
    typed = sys.argv
    add_config_folders()
    plugins = list_active_plugins()

    @hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=CONFIG_NAMES.get(command, command))
    def run_composed(config: Any) -> Any:
        sys.argv = typed  # Lightning starts further ranks with it
        activate_plugins(plugins)  # a launcher may have moved the job to another machine
        if _belongs_to_sweeper(command):  # errors are reported to the sweeper
            prepare_command(command, config)
            return find_command(command)(config)
        with handle_exit_codes(codes):  # here: Hydra would print its own line before an error that passes through it
            prepare_command(command, config)
            value = find_command(command)(config)
            codes.extend([value] if isinstance(value, int) else [])
            return value

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray sends usage statistics unless this is set
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing them
    sys.argv = [typed[0], *overrides]
    program: Callable[[], None] = run_composed
    return program


def expand_overrides(command: str, overrides: Sequence[str]) -> Sequence[str]:
    """Adds what follows from the overrides: the earlier ones of a resumed run, and prefixes that Hydra needs.

    Args:
        command: a word of the command line.
        overrides: in Hydra's grammar.
    """
    if command in COMMANDS and command != "convert":  # what it writes is no folder of results
        overrides = set_run_folder(overrides)
    if command == "train":
        run = find_resumed_run(overrides)
        if run is not None:
            activate_recorded_plugins(read_run_config(run), overrides, f"resume={run}", run)
        overrides = add_sweep_flag(add_resumed_overrides(overrides))
    elif command in CONFIG_NAMES and is_multirun(overrides):
        overrides = ["hydra/sweeper=basic", "hydra/launcher=basic", *overrides]
    if CONFIG_NAMES.get(command, command) == "train":
        overrides = add_detector(overrides)
    if command == "train":  # the heads are known to the task, not to conf/balance/fixed.yaml
        overrides = [f"++{word}" if word.startswith("balance.weights.") else word for word in overrides]
    return _name_data(command, overrides)


def _name_data(command: str, overrides: Sequence[str]) -> Sequence[str]:
    """Adds the format of data of which the root alone is given, unless the checkpoint knows it."""
    if command not in _TRAINED_DATA:
        return add_data_format(overrides)
    # The sets of a union are known to the checkpoint, not to conf/eval.yaml.
    return [f"+{word}" if word.startswith("data.sets.") else word for word in overrides]


def _check_flags(command: str, words: Sequence[str]) -> None:
    """Refuses --epochs 3; the message names the right key as well, where that is another.

    Raises:
        CandelabraError: an option has hyphens in front.
        HydraException: and it has another name.
    """
    found = find_hyphens(words, HYDRA_FLAGS)
    if found.typed:
        import hydra

        add_config_folders()
        chosen = [] if is_sweep(words) else found.others  # values of a sweep are none of one config
        with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            overrides = list(_name_data(command, normalize_words([*chosen, *found.meant], multirun=False)))
            hydra.compose(CONFIG_NAMES.get(command, command), overrides)
        check_hyphens(words, HYDRA_FLAGS)


def _belongs_to_sweeper(command: str) -> bool:
    """Whether this is a job that a launcher of Hydra runs in this process for a sweep of trainings."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return command == "train" and HydraConfig.get().mode is not RunMode.RUN


def find_command(command: str) -> Command:
    """Imports `run_<command>` of candelabra/commands/<command>.py or, failing that, of a plug-in's commands/.

    Raises:
        CandelabraError: the module of a plug-in has no such function.
    """
    own = command in COMMANDS
    if command != "serve":  # which runs for weeks, beside other programs
        keep_freed_memory()
    with import_libraries(UNUSED if own else ()), import_lazily() if own else nullcontext():
        module = import_module(f"candelabra.commands.{command}" if own else list_plugin_commands()[command])
    function: Command | None = getattr(module, f"run_{command}", None)
    if function is None:
        raise CandelabraError(f"{module.__name__} has no function run_{command}; the command {command} needs it.")
    return function


def prepare_command(command: str, config: Any) -> None:
    """Checks that no key is missing or unknown, and hides warnings meant for developers; imports nothing heavy.

    Raises:
        CandelabraError: a mandatory key has no value, or the command does not have a key that was typed.
    """
    import logging
    import warnings

    from omegaconf import OmegaConf

    missing = {key for key in OmegaConf.missing_keys(config) if command != "plan" or not key.startswith("data.")}
    for key in sorted(missing):
        raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    check_added_keys(CONFIG_NAMES.get(command, command), config)
    logging.getLogger("timm").setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module="lightning|torch|timm")


def detach_hydra(config: Any) -> list[str]:
    """Resolves the run folder, resets Hydra's global config, and returns the overrides and --config-dir as typed.

    Lightning asks Hydra's global config how to start further ranks, each of which would compose a config of its own;
    ranks of candelabra read the config.yaml of the run.
    """
    from hydra.core.hydra_config import HydraConfig

    overrides: list[str] = []
    if HydraConfig.initialized():
        sources = HydraConfig.get().runtime.config_sources
        folders = [Path(source.path) for source in sources if source.provider == "command-line"]
        overrides = [*(f"--config-dir={_shorten(folder)}" for folder in folders), *HydraConfig.get().overrides.task]
    if HydraConfig.initialized() or not config.resume:
        config.folder = str(config.folder)
    HydraConfig.instance().cfg = None
    return overrides


def list_typed_keys() -> list[str]:
    """The keys of the options that were typed; none where Hydra did not compose the config from a command line."""
    from hydra.core.hydra_config import HydraConfig

    return [parse_key(word) for word in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []


def _shorten(path: Path) -> Path:
    """Relative to the working folder, where it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
