"""The commands. Nothing heavy is imported here: help answers at once, and Hydra composes before torch is loaded."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from candelabra import RUN, __version__
from candelabra.errors import CandelabraError, Interrupted, nearest
from candelabra.helping import COMMANDS, CONF, PLAIN, ROOTS, completed_command, help_of, overview
from candelabra.slurm import begun
from candelabra.words import key_of, run_of

INTERRUPTED = 75  # exit code: stopped by a signal, saved, can go on (EX_TEMPFAIL of sysexits.h)
WORK = {  # where the commands are that Hydra composes a config for; loaded when one runs
    "train": ("run", "train"),
    "lr": ("run", "suggest_rate"),
    "plan": ("planning", "plan"),
    "eval": ("evaluation", "evaluate"),
    "predict": ("prediction", "predict"),
    "embed": ("embedding.command", "embed"),
    "probe": ("classic.command", "probe"),
    "search": ("searching.command", "search"),
    "map": ("mapping.command", "draw_map"),
    "check": ("checking", "check"),
    "convert": ("converting", "convert"),
}
UNWRITABLE = (PermissionError, NotADirectoryError, FileExistsError)


def main() -> None:
    """Entry point of `candelabra`.

    Exits with 0, 1 (a fault of ours or of a library), 2 (what was typed), 75 (stopped by a signal: saved, can go on)
    or 130 (stopped by Ctrl-C where there was nothing to save); `check` with 0 (clean), 1 (odd) or 2 (not usable).
    """
    arguments = sys.argv[1:]
    if RUN in os.environ and arguments[:1] == ["train"]:
        sys.exit(_guarded(_rank))
    if {"-sc", "--shell-completion"} & set(arguments):
        arguments = completed_command(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
    elif arguments[0] == "--version":
        print(f"candelabra {__version__}")
    elif arguments[0] not in COMMANDS:
        print(
            f"candelabra {arguments[0]}: no such command; allowed are {nearest(arguments[0], COMMANDS)}.",
            file=sys.stderr,
        )
        sys.exit(2)
    elif {"-h", "--help"} & set(arguments):
        print(help_of(arguments[0]))
    elif arguments[0] in PLAIN:
        sys.exit(0 if "-sc" in arguments else _guarded(lambda: _plain(arguments[0], arguments[1:])))
    else:
        sys.exit(_guarded(lambda: _compose(arguments[0], arguments[1:])))


def _guarded(work: Any) -> int:
    """Runs, and says in one sentence what cannot be used; CANDELABRA_TRACEBACK=1 shows where it was found."""
    try:
        return int(work() or 0)
    except _mendable() as error:
        if os.environ.get("CANDELABRA_TRACEBACK"):
            traceback.print_exc()
        print(_sentence(error), file=sys.stderr)
        return 2
    except Interrupted as error:
        print(error, file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        return 130


def _mendable() -> tuple[type[Exception], ...]:
    if "hydra" not in sys.modules:  # then it has raised nothing, and loading it takes time
        return (CandelabraError, *UNWRITABLE)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (CandelabraError, HydraException, OmegaConfBaseException, *UNWRITABLE)


def _plain(command: str, words: Sequence[str]) -> None:
    """A command that composes nothing."""
    if command == "compare":
        from candelabra.comparing import compare

        compare(words, CONF / "hydra" / "candelabra.yaml")
    elif command == "backbones":
        from candelabra.catalogue.command import backbones

        backbones(words)
    elif command == "trunk":
        from candelabra.trunks.command import trunk

        trunk(words)


def _compose(command: str, overrides: Sequence[str]) -> int:
    """Lets Hydra compose conf/<command>.yaml with what was typed, then runs the command on it."""
    import hydra

    if command == "train":
        overrides = _continuing(overrides)
    if command == "eval":  # where it has moved: which sets there are, the checkpoint knows
        overrides = [f"+{word}" if word.startswith("data.sets.") else word for word in overrides]
    typed = sys.argv
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=ROOTS.get(command, command))
    def job(config: Any) -> None:
        sys.argv = typed
        codes.append(_guarded(lambda: _dispatch(command, config)))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # it then raises what it would print, and we choose the words
    sys.argv = [typed[0], *overrides]
    job()
    return max(codes, default=0)


def _continuing(overrides: Sequence[str]) -> list[str]:
    """A run that goes on is composed from the words it was begun with, and writes into its own folder."""
    from omegaconf import OmegaConf

    given = next((word.partition("=")[2].strip("'\"") for word in overrides if word.startswith("resume=")), None)
    again = begun()
    if given is None and again is not None:  # SLURM has started this job once more
        given, overrides = str(again), [f"resume={again}"]
    run = run_of(Path(given or "null"))
    if not (run / "config.yaml").is_file():
        return list(overrides)
    keys = {key_of(word) for word in overrides}
    begun_with: Any = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    words = begun_with.get("words", [])
    kept = [word for word in words if key_of(word) not in {*keys, "anew", "hydra.run.dir"}]
    return [*kept, *overrides, f"hydra.run.dir='{run}'"]


def _dispatch(command: str, config: Any) -> int:
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
    module, name = WORK[command]
    return int(getattr(import_module(f"candelabra.{module}"), name)(config) or 0)


def _rank() -> None:
    """A further process of a run: the same resolved config, whatever this process was told."""
    from omegaconf import OmegaConf

    _dispatch("train", OmegaConf.load(Path(os.environ[RUN], "config.yaml")))


def _sentence(error: BaseException) -> str:
    """What to print of an error: its own words and, where a name is wrong, the valid ones, nearest first."""
    if isinstance(error, UNWRITABLE):
        return f"{error.filename} cannot be used ({error.strerror}); set another folder with hydra.run.dir=<folder>."
    if "hydra" not in sys.modules:
        return str(error)
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={option} is not known; allowed are {nearest(option, error.options, most=40)}."
    words = " ".join(str(error).split())
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None and cause.parent_node is not None:
        keys = [str(key) for key in cause.parent_node if not str(key).startswith("_")]
        words = f"{str(error).splitlines()[0]} There is no {cause.key}; allowed are {nearest(str(cause.key), keys)}."
    return words


if __name__ == "__main__":
    main()
