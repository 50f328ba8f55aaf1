"""What becomes of errors: a sentence, and an exit code."""

import os
import sys
import traceback
from typing import Any

from candelabra.errors import CandelabraError, Interrupted, list_nearest

_PRUNED = 77  # exit code: a trial of a sweep that its pruner ended
EXIT_INTERRUPTED = Interrupted.code
_LAUNCHERS = {"ray": "ray", "ray_aws": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}  # by extra
_UNWRITABLE = (PermissionError, NotADirectoryError, FileExistsError)


def call_with_exit_code(work: Any) -> int:
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
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return 130
    except _pruned() as error:
        print(error, file=sys.stderr)
        return _PRUNED


def _mendable() -> tuple[type[Exception], ...]:
    if "hydra" not in sys.modules:  # then it has raised nothing, and loading it takes time
        return (CandelabraError, *_UNWRITABLE)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (CandelabraError, HydraException, OmegaConfBaseException, *_UNWRITABLE)


def _pruned() -> tuple[type[Exception], ...]:
    return (sys.modules["optuna"].TrialPruned,) if "optuna" in sys.modules else ()


def _sentence(error: BaseException) -> str:
    """What to print of an error: its own words and, where a name is wrong, the valid ones, nearest first."""
    if isinstance(error, _UNWRITABLE):
        return f"{error.filename} cannot be used ({error.strerror}); set another folder with hydra.run.dir=<folder>."
    if "hydra" not in sys.modules:
        return str(error)
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and option in _LAUNCHERS:
            return f"{group}={option} is not installed; pip install 'candelabra[{_LAUNCHERS[option]}]' brings it."
        return f"{group}={option} is not known; allowed are {list_nearest(option, error.options, most=40)}."
    words = " ".join(str(error).split())
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None and cause.parent_node is not None:
        keys = [str(key) for key in cause.parent_node if not str(key).startswith("_")]
        words = (
            f"{str(error).splitlines()[0]} There is no {cause.key}; allowed are {list_nearest(str(cause.key), keys)}."
        )
    return words
