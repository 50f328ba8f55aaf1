"""`candelabra report`: writes the HTML page of a run or of several runs."""

from collections.abc import Sequence
from pathlib import Path

from candelabra.cli.arguments import parse_arguments
from candelabra.commands.compare import make_run_folder
from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.report.html.run_collection import collect_runs, is_sweep_folder
from candelabra.report.html.run_page import write_run_page
from candelabra.report.html.runs_page import write_runs_page
from candelabra.runs.overrides import resolve_run_folder
from candelabra.runs.partial_run import read_partial_run

_PAGE = "report.html"


def run_report(words: Sequence[str]) -> None:
    """Writes report.html and says where.

    Args:
        words: as typed: folders of runs or sweeps, or of such folders; `folder=<folder>` for where the page goes.

    Raises:
        CandelabraError: no folder is given, one is no run and holds none, or the page cannot be written.
    """
    require_package("plotly", "candelabra report")
    arguments = parse_arguments(words, ["folder"])
    given = [resolve_run_folder(Path(word)) if word.endswith(".ckpt") else Path(word) for word in arguments.positional]
    for path in given:
        if not path.is_dir():
            raise CandelabraError(f"{path} is no folder; give that of a run or a sweep: candelabra report runs/first")
    if not given:
        raise CandelabraError("No run is given; name its folder, or that of a sweep: candelabra report runs/first")
    default = given[0] if len(given) == 1 else None
    folder = Path(arguments.options["folder"]) if "folder" in arguments.options else default or make_run_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if len(given) == 1 and (given[0] / "config.yaml").is_file() and not is_sweep_folder(given[0]):
            write_run_page(read_partial_run(given[0]), folder / _PAGE)
        else:
            write_runs_page(collect_runs(given), given, folder / _PAGE)
    except OSError as error:
        raise CandelabraError(f"folder={folder} cannot be used ({error.strerror}); give another.") from error
    print(f"{folder / _PAGE}")
