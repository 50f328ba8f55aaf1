"""`candelabra check`: reads a whole data set, says what is odd in it, and writes the page."""

import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table
from tqdm import tqdm

from candelabra.checking import page
from candelabra.checking.findings import CheckReport, FindingLevel
from candelabra.checking.sample_scan import ScanDataset
from candelabra.checking.statistics import DatasetStatistics
from candelabra.checking.survey import open_survey
from candelabra.config.build import build_data, resolve_config
from candelabra.data.decoding.paths import escape_path
from candelabra.data.issues import write_issues
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.data.sampling.duplicates import NEAR, find_duplicates
from candelabra.data.sampling.image_scan import scan_in_processes
from candelabra.data.targets import (
    BoxesTarget,
    InstancesTarget,
    KeypointsTarget,
    LabelTarget,
    MaskTarget,
    find_object_target,
)
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.errors import CandelabraError
from candelabra.report.consoles import make_console
from candelabra.report.pictures import draw_grid
from candelabra.report.tables import print_mixture
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json

_STYLES = {FindingLevel.NOTE: "", FindingLevel.ODD: "yellow", FindingLevel.UNUSABLE: "red"}


def run_check(config: DictConfig) -> int:
    """Writes check.html, check.json, issues.csv and, where samples can be prepared, samples.png.

    Returns:
        The exit code: 0 clean, 1 odd but usable, 2 not usable.

    Raises:
        CandelabraError: the data cannot even be looked at.
    """
    plain = resolve_config(config)
    near, count = plain["near"], plain["samples"]
    if near is not None and not 0 < near <= 1:
        raise CandelabraError(f"near={near} must be above 0 and at most 1, or null.")
    data: SampleDataModule = build_data(plain["data"])
    report = check_dataset(data, near)
    folder = Path(plain["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "check.json", format_json(report_to_json(report)))
    write_issues(report.tally.issues, folder / "issues.csv")
    if report.survey.refusal is None and count:
        prepared = data.dataset("train")
        draw_grid(
            [jitter_batch(prepared[i]) for i in data.spread_positions("train", count)],
            None,
            data.labels,
            folder / "samples.png",
        )
    page.write_check_page(report, data, _words(plain["data"]), count, folder / "check.html")
    _say(report, data, folder)
    return int(report.level)


def check_dataset(data: SampleDataModule, near: float | None = NEAR) -> CheckReport:
    """Looks at every sample of a data set; see `find_duplicates` for `near`."""
    found = open_survey(data)
    tally = DatasetStatistics(found)
    begun = time.monotonic()
    scans = scan_in_processes(ScanDataset(found.samples), len(found.samples), data.workers)
    for facts in tqdm(scans, total=len(found.samples), desc="looking", unit="image"):
        tally.add(facts)
    seconds = time.monotonic() - begun
    return CheckReport(found, tally, find_duplicates(tally.pixels, tally.thumbs, tally.sizes, near), near, seconds)


def report_to_json(report: CheckReport) -> dict[str, Any]:
    """All that was found, in plain types."""
    survey, tally = report.survey, report.tally
    labels = survey.samples.labels
    label, points, mask = labels.find(LabelTarget), labels.find(KeypointsTarget), labels.find(MaskTarget)
    sizes = tally.sizes[tally.readable]
    names, split = survey.samples.names, survey.split

    def group(members: Any) -> list[dict[str, str]]:
        return [{"name": names[index], "split": str(split[index])} for index in members]

    visible = tally.total(points.name, "visible").tolist() if points else []

    def count(
        target: LabelTarget | MaskTarget | BoxesTarget | InstancesTarget | None, key: str, split: str
    ) -> dict[str, int]:
        sums = tally.sums[split][target.name][key].tolist() if target else []
        return dict(zip(target.classes, sums, strict=False)) if target else {}

    return {
        "exit_code": int(report.level),
        "refusal": survey.refusal,
        "findings": [{"level": each.level.name.lower(), "words": each.words} for each in report.findings],
        "images": len(survey.samples),
        "readable": len(sizes),
        "seconds": round(report.seconds, 3),
        "images_per_second": round(len(survey.samples) / max(report.seconds, 1e-9), 1),
        "labelled": tally.labelled(),
        "classes": {s: count(label, "classes", s) for s in SPLITS},
        KeypointsTarget.name: dict(zip(points.names, visible, strict=True)) if points else {},
        "mask_pixels": {s: count(mask, "pixels", s) for s in SPLITS},
        "objects": {s: count(find_object_target(labels), "objects", s) for s in SPLITS},
        "widths": _count_values(sizes[:, 1]),
        "heights": _count_values(sizes[:, 0]),
        "issues": [each._asdict() for each in tally.issues],
        "equal": [group(each) for each in report.twins.equal],
        "alike": [group(each) for each in report.twins.alike],
        "contradicting": [{"targets": differing, "images": group(each)} for each, differing in report.contradicting],
        "names": [each._asdict() for each in report.names],
    }


def _count_values(values: Any) -> dict[str, int]:
    """How often each value is there."""
    import numpy as np

    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _words(node: dict[str, Any]) -> list[str]:
    """What was typed; of a check that no command line began, what names the data."""
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized():
        return [word for word in HydraConfig.get().overrides.task if not word.startswith("hydra.")]
    given = [f"data.{key}={node[key]}" for key in ("root", "file", "images") if node.get(key)]
    return [f"data={str(node['_target_']).rpartition('.')[2].lower()}", *given]


def _say(report: CheckReport, data: SampleDataModule, folder: Path) -> None:
    console = make_console()
    targets = report.survey.samples.labels.targets
    table = Table("split", "images", *targets, title="labelled images")
    for split, row in report.tally.labelled().items():
        table.add_row(split, str(row["images"]), *(str(row[target]) for target in targets))
    if any(row["images"] for split, row in report.tally.labelled().items() if split in SPLITS):
        console.print(table)
    if report.survey.refusal is None and len(data.shares) > 1:
        console.print(print_mixture(data))
    if report.tally.issues:
        table = Table("what is odd", "times", "treatment", title="odd files")
        for what, treatment, found in report.tally.kinds():
            table.add_row(escape_path(what), str(len(found)), treatment)
        console.print(table)
    for finding in report.findings:
        console.print(f"{finding.level.name.lower()}: {escape_path(finding.words)}", style=_STYLES[finding.level])
    rate = len(report.survey.samples) / max(report.seconds, 1e-9)
    console.print(f"{len(report.survey.samples)} images in {report.seconds:.1f} s ({rate:.0f} a second)")
    for path in sorted(folder.glob("*.*")):
        console.print(f"  {escape_path(str(path))}", highlight=False, soft_wrap=True)
