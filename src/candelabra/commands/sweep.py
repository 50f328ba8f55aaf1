"""`candelabra sweep status|best|retry <folder>`: what its words mean."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from candelabra.cli.arguments import Arguments, parse_arguments
from candelabra.errors import CandelabraError, list_nearest
from candelabra.report.consoles import make_console
from candelabra.sweeps.folder import open_sweep

_ROWS = 50  # of the table, where nothing else is said
_FORMATS = ("table", "json")


def run_sweep(words: Sequence[str]) -> int:
    """Runs the subcommand that is named first; returns the exit code.

    Raises:
        CandelabraError: there is no such subcommand, or its words cannot be used.
    """
    commands: Mapping[str, Callable[[Path, Sequence[str]], int]] = {
        "status": show_status,
        "best": show_best,
        "retry": retry_jobs,
    }
    if not words:
        raise CandelabraError(f"candelabra sweep what? Allowed are {', '.join(commands)}, each with a sweep's folder.")
    if words[0] not in commands:
        raise CandelabraError(
            f"candelabra sweep {words[0]} is not known; allowed are {list_nearest(words[0], commands)}, each "
            "with a sweep's "
            "folder; `candelabra train -m ...` begins a sweep."
        )
    if len(words) < 2:
        raise CandelabraError(f"candelabra sweep {words[0]} of what? Give the folder of a sweep.")
    return commands[words[0]](Path(words[1]), words[2:])


def show_status(folder: Path, words: Sequence[str]) -> int:
    """The table of jobs, or everything as JSON."""
    from candelabra.sweeps.status import print_jobs_json, print_status

    arguments = _parse_options("status", words, ["rows", "format"])
    rows, form = arguments.options.get("rows", str(_ROWS)), arguments.choice("format", _FORMATS)
    if rows != "all" and not rows.isdecimal():
        raise CandelabraError(f"rows={rows} is no number of rows; give one, or all.")
    found = open_sweep(folder)
    if form == "json":
        print_jobs_json(found, make_console())
    else:
        print_status(found, None if rows == "all" else int(rows), make_console())
    return 0


def show_best(folder: Path, words: Sequence[str]) -> int:
    """The best job or jobs, and pictures of the sweep."""
    from candelabra.sweeps.best import print_best, print_pictures

    _parse_options("best", words, [])
    found, console = open_sweep(folder), make_console()
    print_best(found, console)
    print_pictures(found, console)
    return 0


def retry_jobs(folder: Path, words: Sequence[str]) -> int:
    """The sweep goes on in place of this process, so that signals reach it and its exit code is ours."""
    from candelabra.sweeps.retry import announce_retry, choose_jobs, retry_sweep

    found = open_sweep(folder)
    numbers = choose_jobs(found, words)
    said = announce_retry(found, numbers) if numbers else f"{folder}: no job failed or was stopped"
    make_console().print(said, highlight=False, soft_wrap=True)
    if numbers:
        command, place = retry_sweep(found, numbers), found.sweep.place
        if place is not None and Path(place).is_dir():
            if Path(place).resolve() != Path.cwd():
                os.environ["PYTHONSAFEPATH"] = "1"  # `python -m` would import modules that lie there before all others
            os.chdir(place)
        sys.stdout.flush()
        os.execvp(command[0], command)
    return 0


def _parse_options(command: str, words: Sequence[str], keys: Sequence[str]) -> Arguments:
    """Parses what follows the folder.

    Raises:
        CandelabraError: a word is no option of the subcommand.
    """
    arguments = parse_arguments(words, keys)
    for word in arguments.positional:
        names = [f"{key}=..." for key in keys]
        allowed = f"allowed are {list_nearest(word.partition('=')[0], names)}" if keys else "it takes none"
        raise CandelabraError(f"candelabra sweep {command}: {word} is no word of it beside the folder; {allowed}.")
    return arguments
