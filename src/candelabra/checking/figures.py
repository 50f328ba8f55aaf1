"""Figures of a check, as pictures that a page can hold in itself."""

import base64
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.decoding.paths import escape_path
from candelabra.data.samples import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"train": "#3b6fb6", "val": "#e0a030", "test": "#3f9b6c"}
_MOST = 40  # bars in one figure


def encode_figure(image: Image.Image) -> str:
    """A small picture as a `data:` address."""
    buffer = BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def plot_classes(counts: Mapping[str, NDArray[np.int64]], names: Sequence[str]) -> str:
    """Images of each class, by split; of many classes the largest."""
    total = sum(counts[split] for split in SPLITS)
    return _bars({split: counts[split] for split in SPLITS}, names, np.argsort(-np.asarray(total)), "images", True)


def plot_shares(pixels: Mapping[str, NDArray[np.int64]], names: Sequence[str]) -> str:
    """Share of the labelled pixels that each class has, by split."""
    counted = {split: pixels[split][: len(names)] for split in SPLITS}
    part = {split: count / max(1, int(count.sum())) for split, count in counted.items()}
    return _bars(part, names, np.arange(len(names)), "share of labelled pixels", False)


def _bars(
    values: Mapping[str, NDArray[np.generic]], names: Sequence[str], order: NDArray[np.int64], what: str, stacked: bool
) -> str:
    order = order[:_MOST]
    figure, [axes] = _figure(7.2, 0.9 + 0.24 * len(order))
    place, left = np.arange(len(order), dtype=float), np.zeros(len(order))
    for number, (split, value) in enumerate(values.items()):
        wide = np.asarray(value[order], float)
        if stacked:
            axes.barh(place, wide, left=left, color=_COLOURS[split], label=split)
            left += wide
        else:
            axes.barh(place + (number - 1) * 0.27, wide, 0.27, color=_COLOURS[split], label=split)
    axes.set_yticks(place, [_plain(names[index]) for index in order])
    axes.invert_yaxis()
    axes.set_xlabel(what)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8)
    return _drawn(figure)


def plot_sizes(sizes: NDArray[np.int32]) -> str:
    """Widths, heights and ratios of sides."""
    figure, (first, second) = _figure(8.6, 2.6, 2)
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
    return _drawn(figure)


def plot_boxes(covered: NDArray[np.float64], sides: NDArray[np.int64]) -> str:
    """Where boxes are, and how large.

    Args:
        covered: (cells, cells) share of the boxes that lie over each place of the image.
        sides: (cells, cells) number of boxes by height and width, as shares of the image's.
    """
    figure, (first, second) = _figure(8.6, 3.2, 2)
    _map(first, covered, "share of boxes over each place")
    second.imshow(np.log1p(sides), origin="lower", extent=(0, 1, 0, 1), cmap="magma_r", interpolation="nearest")
    second.set(xlabel="width / image width", ylabel="height / image height", title="sizes of boxes")
    return _drawn(figure)


def plot_points(places: NDArray[np.int64], visible: NDArray[np.int64], names: Sequence[str]) -> str:
    """Where keypoints are, and in how many images each is."""
    figure, (first, second) = _figure(8.6, 3.2, 2)
    _map(first, places.astype(float), "keypoints in each place")
    second.bar(np.arange(len(visible)), visible, color="#3b6fb6")
    if len(names) <= 20:
        second.set_xticks(range(len(names)), [_plain(name) for name in names], rotation=60, ha="right", fontsize=8)
    second.set(ylabel="images with the point", xlabel="" if len(names) <= 20 else "point, in the order of the data set")
    return _drawn(figure)


def _map(axes: "Axes", values: NDArray[np.float64], title: str) -> None:
    picture = axes.imshow(values, extent=(0, 1, 1, 0), cmap="magma_r", interpolation="nearest")
    axes.set_title(title)
    axes.set_xticks([0, 0.5, 1], ["left", "", "right"])
    axes.set_yticks([0, 0.5, 1], ["top", "", "bottom"])
    axes.figure.colorbar(picture, ax=axes, shrink=0.8)


def _figure(width: float, height: float, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
        each.title.set_fontsize(9)
    return figure, axes


def _plain(name: str) -> str:
    """A name that matplotlib takes for text, not for a formula, and that leaves room for bars."""
    short = escape_path(name)
    short = short if len(short) <= 28 else f"{short[:27]}…"
    return short.replace("$", r"\$")


def _drawn(figure: "Figure") -> str:
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a script that no font here has is drawn as boxes
        figure.savefig(buffer, format="png", dpi=110)
    small = Image.open(buffer).convert("RGB").quantize(128)  # a third of the bytes
    buffer = BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
