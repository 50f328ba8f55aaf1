"""What words of the command line, and metrics, are about; imports nothing heavy, as the command line reads it too."""

from pathlib import Path


def parse_key(word: str) -> str:
    """The key of the config that a word is about: `head@task.label=x` is about task.label."""
    group, _, package = word.lstrip("+~").partition("=")[0].partition("@")
    return package or group


def resolve_run_folder(given: Path) -> Path:
    """The folder of the run that is meant by it, or by one of its checkpoints."""
    return given.parent.parent if given.is_file() else given
