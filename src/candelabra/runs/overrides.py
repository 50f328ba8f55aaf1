"""Parse overrides of the command line. Imports only the standard library, as the command line imports it early."""

from pathlib import Path


def parse_key(word: str) -> str:
    """Return the config key that an override sets: task.label for `head@task.label=x`."""
    group, _, package = word.lstrip("+~").partition("=")[0].partition("@")
    return package or group


def resolve_run_folder(given: Path) -> Path:
    """Return the folder of a run, given that folder or one of its checkpoints."""
    return given.parent.parent if given.is_file() else given
