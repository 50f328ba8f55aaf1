"""The command line where the system lacks what Linux has; libraries, which go by its name, are imported already."""

import os
import sys
from importlib import import_module


def main() -> None:
    for name in ("sched_getaffinity", "sched_setaffinity", "fork"):
        if hasattr(os, name):
            delattr(os, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "candelabra"]:
        del sys.modules[name]
    for command in import_module("candelabra.cli.help").COMMANDS:
        import_module(f"candelabra.commands.{command}")
    sys.argv[0] = "candelabra"
    import_module("candelabra.cli.main").main()


if __name__ == "__main__":  # doctests import each module
    main()
