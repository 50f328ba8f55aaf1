"""Exit codes of the command line, and the sentence that an error is printed as."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candelabra.cli.key_hints import find_meant_words, format_option
from candelabra.environment import format_missing
from candelabra.errors import CandelabraError, Interrupted, list_nearest

_PRUNED = 77  # exit code of a trial that the pruner of its sweep ended
EXIT_INTERRUPTED = Interrupted.code
_LAUNCHERS = dict.fromkeys(("ray", "ray_aws"), "hydra_plugins.hydra_ray_launcher")
_LAUNCHERS |= dict.fromkeys(("submitit_slurm", "submitit_local"), "hydra_plugins.hydra_submitit_launcher")
_PLACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG}  # of full, read-only and odd places
_UNWRITABLE = (PermissionError, NotADirectoryError, FileExistsError)


@contextmanager
def handle_exit_codes(codes: list[int]) -> Iterator[None]:
    """Prints errors of the user as one sentence and turns them, and stops by a signal, into exit codes.

    Errors of candelabra itself and of its libraries pass: Python prints the traceback and exits with 1. With
    CANDELABRA_TRACEBACK=1 the traceback of an error of the user is printed too.

    Args:
        codes: the exit code is appended, unless it is 0.
    """
    try:
        yield
    except _user_errors() as error:
        if os.environ.get("CANDELABRA_TRACEBACK"):
            traceback.print_exc()
        print(format_error(error), file=sys.stderr)
        codes.append(2)
    except Interrupted as error:
        print(error, file=sys.stderr)
        codes.append(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in _PLACE_ERRORS:
            raise
        print(format_error(error), file=sys.stderr)
        codes.append(2)
    except KeyboardInterrupt:
        codes.append(130)
    except _list_pruned_errors() as error:
        print(error, file=sys.stderr)
        codes.append(_PRUNED)


def _user_errors() -> tuple[type[Exception], ...]:
    if "hydra" not in sys.modules:  # not imported, so it raised nothing; importing it takes time
        return (CandelabraError, *_UNWRITABLE)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (CandelabraError, HydraException, OmegaConfBaseException, *_UNWRITABLE)


def _list_pruned_errors() -> tuple[type[Exception], ...]:
    return (sys.modules["optuna"].TrialPruned,) if "optuna" in sys.modules else ()


def format_error(error: BaseException) -> str:
    """Formats an error as one sentence; an unknown name is followed by the valid ones, nearest first."""
    if isinstance(error, OSError) and error.errno is not None:  # Hydra's MissingConfigException is one too
        place = error.filename or "A file that was to be written"
        return f"{place} cannot be used ({error.strerror}); set another one with folder=<folder>."
    if "hydra" not in sys.modules:
        return str(error)
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and option in _LAUNCHERS:
            return format_missing(_LAUNCHERS[option], f"{group}={option}")
        return _explain_unknown_option(group, option, error.options)
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None and cause.parent_node is not None:
        return _explain_unknown_key(error, cause)
    if foreign := re.match(r"Could not override '([\w./@]+)'", str(error)):
        return f"{foreign[1]}=: this command has no {foreign[1]}; leave it out."
    return " ".join(str(error).split())


def _explain_unknown_option(group: str, option: str, allowed: Sequence[str]) -> str:
    """Of `group=option` on the command line, where conf/<group> has no such yaml."""
    if group == "data" and Path(option).is_dir():
        return f"data={option} is a folder; write data.root={option}."
    if group == "backbone":
        near, named = list_nearest(option, allowed), format_option(group, option)
        return f"{group}={option} is not known; allowed are {near}, and any model of timm, as {named}."
    return f"{group}={option} is not known; allowed are {list_nearest(option, allowed, most=40)}."


def _explain_unknown_key(error: BaseException, cause: Any) -> str:
    """Of `key=value` on the command line, where the composed config has no such key."""
    from omegaconf import OmegaConf

    key, value = str(cause.full_key), ""
    typed = re.search(r"use \+(\S+?)=(.*)", str(error), re.DOTALL)  # Hydra's advice is the only place of the value
    if typed:
        key, value = typed.groups()
    config: Any = OmegaConf.to_container(cause.parent_node._get_root(), resolve=False)
    meant = find_meant_words(key, value, config)
    if meant:
        return f"{key}={value}: there is no {cause.full_key}; {meant}."
    keys = [str(each) for each in cause.parent_node if not str(each).startswith("_") and each != "hydra"]
    return f"{key}={value}: there is no {cause.full_key}; allowed are {list_nearest(str(cause.key), keys)}."
