"""Write the HTML report of one run."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candelabra.report.html.embedded_images import read_embedded_images
from candelabra.report.html.page import write_page
from candelabra.report.html.panels import group_curves
from candelabra.report.html.plotly_figures import PlotlyFigure, make_panel
from candelabra.report.html.run_collection import find_job
from candelabra.report.html.script import read_plotly_script
from candelabra.runs.curves import MetricCurve, read_curves
from candelabra.runs.head_metrics import HeadSummaries, is_count, list_metric_notes
from candelabra.runs.partial_run import PartialRun, count_issues, read_csv_rows, read_run_text, strip_target

_MAX_POINTS = 100_000  # on the page, of all curves
_SPLITS = ("val", "test")
_MAX_ROWS = 1000  # of a table
_TITLES = {"label_classes": "Classes, on test", "mask_classes": "Classes of the mask, on test", "probe": "Trials"}


def write_run_page(run: PartialRun, path: Path) -> None:
    """Write the report of a run, which may be unfinished."""
    curves = read_curves(run.folder / "metrics.csv")
    job = find_job(run.folder)
    pictures, problems = read_embedded_images([run.folder / "pictures"])
    write_page(
        Path(__file__).with_name("run.html"),
        path,
        name=run.folder.resolve().name,
        state="finished" if run.finished else job.now.value if job else "not finished",
        error=job.error if job else None,
        resumable=not run.finished and any((run.folder / "checkpoints").glob("last*.ckpt")),
        folder=run.folder,
        command=shlex.join(["candelabra", "train", *run.words]) if run.words else "",
        facts=list_facts(run),
        problems=[*run.problems, *list_problems(curves), *problems],
        results=list_results(run.results, run.heads),
        notes=list_metric_notes(run.results, run.heads),
        splits=_SPLITS,
        figures=_make_figures(curves, run.heads),
        pictures=pictures,
        tables=_read_tables(run.folder),
        issues=count_issues(run.folder),
        log=read_run_text(run.folder / "candelabra.log", end=True),
        config=read_run_text(run.folder / "config.yaml"),
        plotly=read_plotly_script() if curves else "",
    )


def list_facts(run: PartialRun) -> list[tuple[str, str]]:
    """Return facts about a run as (title, text): data, model, training, and speed."""
    config, results = run.config, run.results
    data, task = _get_node(config, "data"), _get_node(config, "task")
    sets = [f"{name} ({strip_target(each)})" for name, each in _get_node(data, "sets").items()]
    heads = list(run.heads) or _list_configured_heads(task)
    backbone = _get_node(config, "backbone")
    found = [
        ("data", _join_parts(strip_target(data), *sets, data.get("root"), _format_optional("{} px", data.get("size")))),
        (
            "backbone",
            _join_parts(
                backbone.get("name") or strip_target(backbone), _format_optional("weights {}", backbone.get("weights"))
            ),
        ),
        ("heads", _join_parts(*heads)),
        ("fine-tuning", strip_target(config.get("finetune"))),
        ("balance", strip_target(config.get("balance")) if len(heads) > 1 else ""),
        ("epochs", _join_parts(config.get("epochs"), _format_optional("batches of {}", data.get("batch_size")))),
        ("rate", _join_parts(_read_rate(config), strip_target(config.get("optimizer")))),
        ("seed", _join_parts(config.get("seed"))),
        ("best by", _join_parts(config.get("monitor"))),
        ("parameters", _format_optional("{:,.0f}", results.get("parameters"))),
        (
            "time",
            _join_parts(
                _format_optional("{:.0f} s", results.get("seconds")),
                _format_optional("{} images/s", results.get("images_per_second")),
            ),
        ),
        ("versions", _join_parts(*(f"{name} {version}" for name, version in run.code.items()))),
        ("waiting for data", _format_optional("{:.1%} of the training", results.get("data_wait"))),
    ]
    return [(what, words) for what, words in found if words]


def _read_rate(config: Mapping[str, Any]) -> Any:
    """Return the rate of a config; of a probe, which has a grid of them, those."""
    strategy = _get_node(config, "finetune")
    if strip_target(strategy) == "Probe":
        return _format_optional("one of {}", strategy.get("rates"))
    return _get_node(config, "optimizer").get("lr", config.get("lr"))


def list_results(found: Mapping[str, float], heads: HeadSummaries) -> list[tuple[str, list[str]]]:
    """Return one row per metric: its name, and its values on validation and test."""
    names = dict.fromkeys(key.split("/", 1)[1] for key in found if key.split("/")[0] in _SPLITS and "/" in key)
    ordered = sorted(names, key=lambda name: ("/" not in name, name.split("/")[0], not is_count(name, heads), name))
    rows = []
    for name in ordered:
        digits = 0 if is_count(name, heads) else 4
        values = [found.get(f"{split}/{name}") for split in _SPLITS]
        rows.append((name, ["" if value is None else f"{value:.{digits}f}" for value in values]))
    return rows


def list_problems(curves: Mapping[str, MetricCurve]) -> list[str]:
    """Return a sentence for each metric that was infinite or nan."""
    return [
        f"{name} was not finite at step {curve.broken}" for name, curve in curves.items() if curve.broken is not None
    ]


def _list_configured_heads(task: Mapping[str, Any]) -> list[str]:
    """The heads of a task's config, for a run that has written no more than that."""
    heads = _get_node(task, "heads") or {name: node for name, node in task.items() if name != "balance"}
    return [name for name, node in heads.items() if isinstance(node, Mapping)]


def _make_figures(curves: Mapping[str, MetricCurve], heads: HeadSummaries) -> list[tuple[str, PlotlyFigure]]:
    drawn = {name: curve for name, curve in curves.items() if curve.steps}
    most = max(50, _MAX_POINTS // max(1, len(drawn)))
    return [(each.title, make_panel(each, drawn, most)) for each in group_curves(drawn, heads)]


def _read_tables(folder: Path) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return the tables of a run as (title, header, rows): classes of each head, trials of a probe."""
    files = [*sorted(folder.glob("*_classes.csv")), folder / "probe.csv"]
    found = [(_TITLES.get(path.stem, path.stem), *read_csv_rows(path, _MAX_ROWS)) for path in files]
    return [(title, header, rows) for title, header, rows in found if rows]


def _get_node(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    node = config.get(key)
    return node if isinstance(node, Mapping) else {}


def _format_optional(form: str, value: Any) -> str:
    return "" if value is None else form.format(value)


def _join_parts(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part not in (None, ""))
