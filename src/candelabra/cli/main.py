"""The commands. Nothing heavy is imported here: help answers at once, and Hydra composes before torch is loaded."""

import os
import sys

from candelabra import __version__
from candelabra.cli.compose import compose, follow, rank, sweeps, work
from candelabra.cli.exit_codes import guarded
from candelabra.cli.help import COMMANDS, PLAIN, completed_command, help_of, overview
from candelabra.distributed.rendezvous import launched, lead
from candelabra.environment import RUN
from candelabra.errors import nearest


def main() -> None:
    """Entry point of `candelabra`.

    Exits with 0, 1 (a fault of ours or of a library), 2 (what was typed), 75 (stopped by a signal: saved, can go on)
    or 130 (stopped by Ctrl-C where there was nothing to save); `check` with 0 (clean), 1 (odd) or 2 (not usable).
    """
    arguments = sys.argv[1:]
    if RUN in os.environ and arguments[:1] == ["train"]:
        sys.exit(guarded(rank))
    here = launched() if arguments[:1] == ["train"] else None
    if here is not None and (here.rank or sweeps(arguments)):
        sys.exit(guarded(follow))
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
        sys.exit(0 if "-sc" in arguments else guarded(lambda: work(arguments[0], arguments[1:])))
    elif here is not None:
        sys.exit(guarded(lambda: lead(lambda: compose(arguments[0], arguments[1:]))))
    else:
        sys.exit(guarded(lambda: compose(arguments[0], arguments[1:])))


if __name__ == "__main__":
    main()
