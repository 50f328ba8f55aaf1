"""`candelabra sweep best`: the best job, its command, results and checkpoint."""

import shlex

from rich.console import Console
from rich.table import Table

from candelabra.errors import CandelabraError
from candelabra.runs.head_metrics import is_count
from candelabra.runs.partial_run import read_partial_run
from candelabra.sweeps.folder import format_command
from candelabra.sweeps.status import make_jobs_table
from hydra_plugins.candelabra_sweeper.jobs import Job
from hydra_plugins.candelabra_sweeper.results import SweepResults

_SHOWN = ("val", "test")


def print_best(found: SweepResults, console: Console) -> None:
    """Prints the best job, or the Pareto front of several objectives, with command, results and checkpoint of each.

    Raises:
        CandelabraError: no job has finished with a number for each objective.
    """
    best = found.best()
    if not best:
        wanted = " and ".join(found.objectives) or "an objective"
        raise CandelabraError(
            f"{found.folder} has no best job: none has finished with {wanted}; "
            f"`candelabra sweep status {found.folder}` tells how its jobs are."
        )
    sought = ", ".join(f"{name} ({direction})" for name, direction in found.objectives.items())
    what = f"best by {sought}" if len(found.objectives) == 1 else f"by {sought}: beaten by no other in all of them"
    judged = len(found.judged())
    console.print(f"{what}; {judged} of {len(found.jobs)} jobs have results", highlight=False, soft_wrap=True)
    console.print(make_jobs_table(found, best))
    if len(best) == 1:
        _print_results(found, best[0], console)
    for job in best:
        _print_job(found, job, console)


def print_pictures(found: SweepResults, console: Console) -> None:
    """Draws the pictures of the sweep; prints which were drawn and why others were not."""
    from hydra_plugins.candelabra_sweeper.results import draw_figure

    written, missing = draw_figure(found)
    for line in [*(f"  {path}" for path in written), *missing]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_job(found: SweepResults, job: Job, console: Console) -> None:
    run = found.run(job)
    lines = [f"job {job.number}: {format_command(job, found.sweep.program)}"]
    if (run / "checkpoints" / "best.ckpt").is_file():
        lines += [
            f"  {shlex.join(['candelabra', 'eval', f'checkpoint={run}'])}",
            f"  {run / 'checkpoints' / 'best.ckpt'}",
        ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_results(found: SweepResults, job: Job, console: Console) -> None:
    """Prints the results of a run of candelabra."""
    run = read_partial_run(found.run(job))
    results = run.results
    metrics = dict.fromkeys(key.partition("/")[2] for key in results if key.startswith(tuple(f"{s}/" for s in _SHOWN)))
    if not metrics:
        return
    sheet = Table("metric", *_SHOWN, title=f"results of job {job.number}")
    for metric in metrics:
        values = [results.get(f"{split}/{metric}") for split in _SHOWN]
        digits = 0 if is_count(metric, run.heads) else 4
        sheet.add_row(metric, *("" if value is None else f"{value:.{digits}f}" for value in values))
    console.print(sheet)
