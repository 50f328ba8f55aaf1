"""Write the HTML page of a check: one self-contained file without scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.checking import figures, leaks
from candelabra.checking.findings import CheckReport, FindingLevel
from candelabra.checking.statistics import DatasetStatistics
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS
from candelabra.data.targets import BoxTarget, KeypointsTarget, Labels, LabelTarget, MaskTarget, find_object_target
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.report.html.page import write_page
from candelabra.report.pictures import draw_sample, enlarge_sample
from candelabra.types import Sample

_SHOWN = 20  # listed files per kind of issue; issues.csv has all
_GROUPS = 12  # groups of equal or similar images of one kind
_MEMBERS = 6  # images of a group
_ROWS = 1000  # classes in a table
_SIDE = 168  # pixels of a picture
_VERDICTS = {
    FindingLevel.NOTE: ("clean", "Clean: nothing stands against training on it."),
    FindingLevel.ODD: ("odd", "Usable, but odd: read what is listed first."),
    FindingLevel.UNUSABLE: ("unusable", "Not usable as it is."),
}


def write_check_page(report: CheckReport, data: SampleDataModule, words: Sequence[str], count: int, path: Path) -> None:
    """Write check.html.

    Args:
        report: results of the check.
        data: from which samples are drawn.
        words: overrides of the command line.
        count: number of samples to draw.
        path: of the page.
    """
    survey, tally = report.survey, report.tally
    write_page(
        Path(__file__).with_name("page.html"),
        path,
        verdict=_VERDICTS[report.level],
        words=" ".join(words),
        findings=[(finding.level.name.lower(), finding.words) for finding in report.findings],
        images=len(survey.samples),
        readable=int(tally.readable.sum()),
        seconds=report.seconds,
        targets=survey.samples.labels.targets,
        labelled=tally.labelled(),
        label=survey.samples.labels.find(LabelTarget),
        keypoints=survey.samples.labels.find(KeypointsTarget),
        classes=_list_class_rows(report)[:_ROWS],
        masks=_list_mask_rows(report),
        objects=_list_object_rows(report)[:_ROWS],
        extents=_list_extents(tally.sizes[tally.readable]),
        kinds=[(what, treatment, len(found), found[:_SHOWN]) for what, treatment, found in tally.kinds()],
        twins=_list_duplicates(report),
        names=report.names,
        near=report.near,
        figures=_plot_figures(report),
        before=_draw_samples(report, count),
        after=_draw_training_samples(report, data, count),
        splits=SPLITS,
    )


def _plot_figures(report: CheckReport) -> dict[str, str]:
    tally, labels = report.tally, report.survey.samples.labels
    drawn: dict[str, str] = {}
    label, points, mask = labels.find(LabelTarget), labels.find(KeypointsTarget), labels.find(MaskTarget)
    box, objects = labels.find(BoxTarget), find_object_target(labels)
    if label:
        drawn["classes"] = figures.plot_classes(_group_by_split(tally, LabelTarget.name, "classes"), label.classes)
    if tally.readable.any():
        drawn["sizes"] = figures.plot_sizes(tally.sizes[tally.readable])
    if objects and (known := tally.total(objects.name, "objects")).any():
        counts = _group_by_split(tally, objects.name, "objects")
        drawn["objects"] = figures.plot_classes(counts, objects.classes, "objects")
        covered = tally.total(objects.name, "covered") / known.sum()
        drawn["boxes"] = figures.plot_boxes(covered, tally.total(objects.name, "sides"))
    elif box and (boxes := sum(counts[box.name] for counts in tally.counts.values())):
        drawn["boxes"] = figures.plot_boxes(tally.total(box.name, "covered") / boxes, tally.total(box.name, "sides"))
    if points and (visible := tally.total(points.name, "visible")).any():
        drawn["points"] = figures.plot_points(tally.total(points.name, "places"), visible, points.names)
    if mask:
        drawn["masks"] = figures.plot_shares(_group_by_split(tally, mask.name, "pixels"), mask.classes)
    return drawn


def _list_class_rows(report: CheckReport) -> list[tuple[str, list[int]]]:
    target = report.survey.samples.labels.find(LabelTarget)
    if target is None:
        return []
    counts = _group_by_split(report.tally, target.name, "classes")
    return [(name, [int(counts[split][row]) for split in SPLITS]) for row, name in enumerate(target.classes)]


def _list_object_rows(report: CheckReport) -> list[tuple[str, list[int]]]:
    target = find_object_target(report.survey.samples.labels)
    if target is None:
        return []
    counts = _group_by_split(report.tally, target.name, "objects")
    return [(name, [int(counts[split][row]) for split in SPLITS]) for row, name in enumerate(target.classes)]


def _list_mask_rows(report: CheckReport) -> list[tuple[str, list[float], list[int]]]:
    target = report.survey.samples.labels.find(MaskTarget)
    if target is None:
        return []
    pixels, images = (_group_by_split(report.tally, target.name, key) for key in ("pixels", "images"))
    total = {split: max(1, int(pixels[split][: len(target.classes)].sum())) for split in SPLITS}
    return [
        (
            name,
            [float(pixels[split][row] / total[split]) for split in SPLITS],
            [int(images[split][row]) for split in SPLITS],
        )
        for row, name in enumerate(target.classes)
    ]


def _group_by_split(tally: DatasetStatistics, target: str, key: str) -> dict[str, NDArray[Any]]:
    return {split: tally.sums[split][target][key] for split in SPLITS}


def _list_extents(sizes: NDArray[np.int32]) -> list[tuple[str, list[int]]]:
    if not len(sizes):
        return []
    quantiles = np.quantile(sizes, [0, 0.05, 0.5, 0.95, 1], axis=0).astype(int)
    return [("width", quantiles[:, 1].tolist()), ("height", quantiles[:, 0].tolist())]


def _list_duplicates(report: CheckReport) -> list[dict[str, Any]]:
    split = report.survey.split
    disputed = [group for group, _ in report.contradicting]
    kinds = (
        ("Equal images, labelled in contradiction", disputed),
        ("The same in other files, in more than one class", report.doubtful),
        ("Equal in every pixel, over several splits", leaks.find_cross_split_groups(report.twins.equal, split)),
        ("The same in other files, over several splits", leaks.find_cross_split_groups(report.twins.alike, split)),
        ("Equal in every pixel, in one split", _filter_single_split(report.twins.equal, split)),
        ("The same in other files, in one split", _filter_single_split(report.twins.alike, split)),
    )
    return [
        {
            "title": title,
            "count": len(groups),
            "groups": [
                [_draw_member(report, int(index), groups is disputed) for index in group[:_MEMBERS]] for group in shown
            ],
            "rest": [max(0, len(group) - _MEMBERS) for group in shown],
        }
        for title, groups in kinds
        if (shown := groups[:_GROUPS])
    ]


def _filter_single_split(groups: Sequence[NDArray[np.int64]], split: NDArray[np.str_]) -> list[NDArray[np.int64]]:
    return [group for group in groups if len(set(split[group]) & set(SPLITS)) <= 1]


def _draw_member(report: CheckReport, index: int, labelled: bool) -> tuple[str, str, str]:
    samples, split = report.survey.samples, str(report.survey.split[index])
    sample = samples.load(index)
    shown = sample if labelled else draw_label_only(sample)  # keypoints would hide faces
    return samples.names[index], split or "none", encode_sample_image(shown, samples.labels, _SIDE * 2 // 3)


def _draw_samples(report: CheckReport, count: int) -> list[tuple[str, str, str]]:
    pool = report.survey.parts["train"]
    pool = pool if len(pool) else np.flatnonzero(report.tally.readable)
    pool = pool[report.tally.readable[pool]]
    chosen = pool[np.linspace(0, len(pool) - 1, min(count, len(pool))).astype(int)]
    samples = report.survey.samples
    return [
        (samples.names[index], "", encode_sample_image(samples.load(int(index)), samples.labels, _SIDE))
        for index in chosen
    ]


def _draw_training_samples(report: CheckReport, data: SampleDataModule, count: int) -> list[str]:
    if report.survey.refusal:
        return []
    prepared, pool = data.dataset("train"), report.survey.parts["train"]
    places = np.flatnonzero(report.tally.readable[pool])
    chosen = places[np.linspace(0, len(places) - 1, min(count, len(places))).astype(int)]
    try:
        return [
            encode_sample_image(jitter_batch(prepared[int(place)]), report.survey.samples.labels, _SIDE)
            for place in chosen
        ]
    except UnreadableFile:  # has become unreadable since the scan
        return []


def draw_label_only(sample: Sample) -> Sample:
    """Return a sample with image and class only, without targets that are drawn over the image."""
    kept: Any = {key: value for key, value in sample.items() if key in ("image", LabelTarget.name)}
    shown: Sample = kept
    return shown


def encode_sample_image(sample: Sample, labels: Labels, side: int) -> str:
    """Draw a sample with its labels and encode it as a `data:` URL.

    Args:
        sample: of a data set or of a batch.
        labels: its targets.
        side: longer side in pixels.
    """
    found: dict[str, Any] = {n: target.unwrap(sample[n]) for n, target in labels.items() if n in sample}
    image = sample["image"]
    pixels = (image * 255 if image.is_floating_point() else image).byte().permute(1, 2, 0).numpy()
    return figures.encode_figure(draw_sample(*enlarge_sample(pixels, found, labels, side), labels))
