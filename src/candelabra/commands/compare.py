"""`candelabra compare`: runs beside each other, from what lies in their folders; nothing heavy is imported."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from candelabra.cli.arguments import parse_arguments
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError
from candelabra.report.comparison import print_comparison
from candelabra.runs.aggregation import read_rows
from candelabra.runs.joint_gain import compute_gains


def run_compare(words: Sequence[str]) -> None:
    """Prints the comparison and writes compare.csv, compare.md and compare.png.

    Args:
        words: as typed: folders of runs, or of such folders; `folder=<folder>` for where the files go.

    Raises:
        CandelabraError: see `read_rows` and `compute_gains`; or the folder cannot be written into.
    """
    arguments = parse_arguments(words, ["folder"])
    given = [Path(word) for word in arguments.positional]
    for path in given:
        if not path.exists():
            raise CandelabraError(f"{path} does not exist; give folders of runs, and folder=<folder> for the files.")
    rows = read_rows(given)
    gained = compute_gains(rows)
    folder = Path(arguments.options["folder"]) if "folder" in arguments.options else make_run_folder()
    try:
        print_comparison(rows, gained, folder)
    except OSError as error:
        raise CandelabraError(f"folder={folder} cannot be used ({error.strerror}); give another.") from error


def make_run_folder() -> Path:
    """Named after this moment, as Hydra names the folders of runs."""
    import yaml

    pattern = yaml.safe_load((CONFIG_FOLDER / "hydra" / "candelabra.yaml").read_text(encoding="utf-8"))["run"]["dir"]
    return Path(re.sub(r"\$\{now:(.*?)\}", lambda now: datetime.now().strftime(now[1]), pattern))
