"""Figures of a check as `data:` URLs for the page."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.glyphs import escape_formula, save_figure
from candelabra.data.samples import SPLITS
from candelabra.report.html.embedded_images import format_data_url

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"train": "#3b6fb6", "val": "#e0a030", "test": "#3f9b6c"}
_MOST = 40  # maximal number of bars


def encode_figure(image: Image.Image) -> str:
    """Encode a small picture as a `data:` URL."""
    buffer = BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=80)
    return format_data_url(buffer.getvalue(), "jpeg")


def plot_classes(counts: Mapping[str, NDArray[np.int64]], names: Sequence[str], what: str = "images") -> str:
    """Plot how many images, or objects, there are of each class by split; at most the 40 largest classes."""
    total = sum(counts[split] for split in SPLITS)
    return _plot_bars({split: counts[split] for split in SPLITS}, names, np.argsort(-np.asarray(total)), what, True)


def plot_shares(pixels: Mapping[str, NDArray[np.int64]], names: Sequence[str]) -> str:
    """Plot the fraction of labelled pixels of each class by split."""
    counted = {split: pixels[split][: len(names)] for split in SPLITS}
    part = {split: count / max(1, int(count.sum())) for split, count in counted.items()}
    return _plot_bars(part, names, np.arange(len(names)), "share of labelled pixels", False)


def _plot_bars(
    values: Mapping[str, NDArray[np.generic]], names: Sequence[str], order: NDArray[np.int64], what: str, stacked: bool
) -> str:
    order = order[:_MOST]
    figure, [axes] = _make_figure(7.2, 0.9 + 0.24 * len(order))
    place, left = np.arange(len(order), dtype=float), np.zeros(len(order))
    for number, (split, value) in enumerate(values.items()):
        wide = np.asarray(value[order], float)
        if stacked:
            axes.barh(place, wide, left=left, color=_COLOURS[split], label=split)
            left += wide
        else:
            axes.barh(place + (number - 1) * 0.27, wide, 0.27, color=_COLOURS[split], label=split)
    axes.set_yticks(place, [_shorten(names[index]) for index in order])
    axes.invert_yaxis()
    axes.set_xlabel(what)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8)
    return _encode_plot(figure)


def plot_sizes(sizes: NDArray[np.int32]) -> str:
    """Plot histograms of widths, heights and aspect ratios of sizes (n, 2), in pixels."""
    figure, (first, second) = _make_figure(8.6, 2.6, 2)
    largest = int(sizes.max())
    bins = np.linspace(0, largest * 1.02, 41).tolist()
    first.hist(sizes[:, 1], bins, color="#3b6fb6", alpha=0.75, label="width")
    first.hist(sizes[:, 0], bins, color="#e0a030", alpha=0.75, label="height")
    first.set(xlabel="pixels", ylabel="images")
    first.legend(frameon=False, fontsize=8)
    ratio = np.log2(sizes[:, 1] / sizes[:, 0])
    reach = max(1.0, float(np.abs(ratio).max()) * 1.05)
    second.hist(ratio, np.linspace(-reach, reach, 41).tolist(), color="#3f9b6c")
    ticks = [tick for tick in range(-5, 6) if abs(tick) <= reach]
    second.set_xticks(ticks, [f"1:{2**-tick}" if tick < 0 else f"{2**tick}:1" for tick in ticks])
    second.set(xlabel="width : height", ylabel="images")
    return _encode_plot(figure)


def plot_boxes(covered: NDArray[np.float64], sides: NDArray[np.int64]) -> str:
    """Plot positions and sizes of boxes.

    Args:
        covered: (cells, cells) fraction of boxes that cover each cell of the image.
        sides: (cells, cells) number of boxes by relative height and width.
    """
    figure, (first, second) = _make_figure(8.6, 3.2, 2)
    _plot_map(first, covered, "share of boxes over each place")
    second.imshow(np.log1p(sides), origin="lower", extent=(0, 1, 0, 1), cmap="magma_r", interpolation="nearest")
    second.set(xlabel="width / image width", ylabel="height / image height", title="sizes of boxes")
    return _encode_plot(figure)


def plot_points(places: NDArray[np.int64], visible: NDArray[np.int64], names: Sequence[str]) -> str:
    """Plot the positions of keypoints and the number of images with each keypoint.

    Args:
        places: (cells, cells) number of keypoints in each cell of the image.
        visible: (points,) number of images with each keypoint.
        names: of the keypoints.
    """
    figure, (first, second) = _make_figure(8.6, 3.2, 2)
    _plot_map(first, places.astype(float), "keypoints in each place")
    second.bar(np.arange(len(visible)), visible, color="#3b6fb6")
    if len(names) <= 20:
        second.set_xticks(range(len(names)), [_shorten(name) for name in names], rotation=60, ha="right", fontsize=8)
    second.set(ylabel="images with the point", xlabel="" if len(names) <= 20 else "point, in the order of the data set")
    return _encode_plot(figure)


def _plot_map(axes: "Axes", values: NDArray[np.float64], title: str) -> None:
    picture = axes.imshow(values, extent=(0, 1, 1, 0), cmap="magma_r", interpolation="nearest")
    axes.set_title(title)
    axes.set_xticks([0, 0.5, 1], ["left", "", "right"])
    axes.set_yticks([0, 0.5, 1], ["top", "", "bottom"])
    axes.figure.colorbar(picture, ax=axes, shrink=0.8)


def _make_figure(width: float, height: float, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
        each.title.set_fontsize(9)
    return figure, axes


def _shorten(name: str) -> str:
    """Shorten a name, as a label of matplotlib."""
    return escape_formula(name if len(name) <= 28 else f"{name[:27]}…")


def _encode_plot(figure: "Figure") -> str:
    buffer = BytesIO()
    save_figure(figure, buffer, format="png", dpi=110)
    small = Image.open(buffer).convert("RGB").quantize(128)  # a third of the bytes
    buffer = BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return format_data_url(buffer.getvalue(), "png")
