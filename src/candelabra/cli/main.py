"""The entry point of the command line. Imports nothing heavy: help is printed at once."""

import os
import sys
from io import TextIOWrapper

from candelabra.cli.compose import compose, find_command, prepare_command
from candelabra.cli.exit_codes import handle_exit_codes
from candelabra.cli.help import COMMANDS, expand_completion, format_command_help, format_overview, is_composed
from candelabra.cli.plugin_commands import (
    activate_recorded_plugins,
    activate_typed_plugins,
    drop_plugin_words,
    list_plugin_commands,
)
from candelabra.cli.ranks import load_rank_config
from candelabra.cli.typed_words import expand_words
from candelabra.distributed.rendezvous import lead_ranks
from candelabra.environment import __version__
from candelabra.errors import CandelabraError, list_nearest


def main() -> None:
    """Entry point of `candelabra`.

    Exits with 0, 1 (an error in candelabra or a library), 2 (what was typed cannot be used), 75 (stopped by a signal;
    a checkpoint was saved) or 130 (stopped by Ctrl-C, nothing to save); `check` with 0 (clean), 1 (odd) or 2 (not
    usable).
    """
    replace_unprintable()
    arguments = sys.argv[1:]
    if {"-sc", "--shell-completion"} & set(arguments):
        arguments = expand_completion(arguments)
    command, *words = arguments or ["--help"]
    codes: list[int] = []
    with handle_exit_codes(codes):
        config = load_rank_config(command, words)
        if config is not None:
            activate_recorded_plugins(config, (), "This run", None)
            prepare_command(command, config)
            find_command(command)(config)
            return
        activate_typed_plugins(words)
        if command in ("-h", "--help", "help"):
            print_help(format_overview())
        elif "--version" in (command, *words):  # behind a command, Hydra would print its own
            print(f"candelabra {__version__}")
        elif command not in (known := [*COMMANDS, *list_plugin_commands()]):
            allowed = list_nearest(command, known)
            raise CandelabraError(f"candelabra {command}: no such command; allowed are {allowed}.")
        elif {"-h", "--help"} & set(words):
            print_help(format_command_help(command, words))
        elif is_composed(command):
            with lead_ranks(command, codes):
                compose(command, words, codes)()
        elif "-sc" not in words:
            codes.append(find_command(command)(expand_words(drop_plugin_words(words))) or 0)
    if any(codes):
        sys.exit(max(codes))


def print_help(text: str) -> None:
    """Prints a text that may not be read to its end, as in `candelabra --help | head -3`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


def replace_unprintable() -> None:
    """Lets stdout and stderr print any text: a terminal that is not UTF-8 gets escapes for signs that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
