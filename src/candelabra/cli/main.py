"""The commands. Nothing heavy is imported here: help answers at once, and Hydra composes before torch is loaded."""

import os
import sys

from candelabra.cli.compose import call_command, compose, is_sweep_command, run_follower, run_rank
from candelabra.cli.exit_codes import call_with_exit_code
from candelabra.cli.help import COMMANDS, UNCOMPOSED_COMMANDS, expand_completion, format_command_help, format_overview
from candelabra.distributed.rendezvous import detect_launcher, lead_ranks
from candelabra.environment import RUN_VARIABLE, __version__
from candelabra.errors import list_nearest


def main() -> None:
    """Entry point of `candelabra`.

    Exits with 0, 1 (a fault of ours or of a library), 2 (what was typed), 75 (stopped by a signal: saved, can go on)
    or 130 (stopped by Ctrl-C where there was nothing to save); `check` with 0 (clean), 1 (odd) or 2 (not usable).
    """
    arguments = sys.argv[1:]
    if RUN_VARIABLE in os.environ and arguments[:1] == ["train"]:
        sys.exit(call_with_exit_code(run_rank))
    here = detect_launcher() if arguments[:1] == ["train"] else None
    if here is not None and (here.rank or is_sweep_command(arguments)):
        sys.exit(call_with_exit_code(run_follower))
    if {"-sc", "--shell-completion"} & set(arguments):
        arguments = expand_completion(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(format_overview())
    elif arguments[0] == "--version":
        print(f"candelabra {__version__}")
    elif arguments[0] not in COMMANDS:
        print(
            f"candelabra {arguments[0]}: no such command; allowed are {list_nearest(arguments[0], COMMANDS)}.",
            file=sys.stderr,
        )
        sys.exit(2)
    elif {"-h", "--help"} & set(arguments):
        print(format_command_help(arguments[0]))
    elif arguments[0] in UNCOMPOSED_COMMANDS:
        sys.exit(0 if "-sc" in arguments else call_with_exit_code(lambda: call_command(arguments[0], arguments[1:])))
    elif here is not None:
        sys.exit(call_with_exit_code(lambda: lead_ranks(lambda: compose(arguments[0], arguments[1:]))))
    else:
        sys.exit(call_with_exit_code(lambda: compose(arguments[0], arguments[1:])))


if __name__ == "__main__":
    main()
