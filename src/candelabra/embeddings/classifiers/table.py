"""Results of classifiers on features: a table on the terminal, as CSV and Markdown, and a picture."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from candelabra.data.glyphs import save_figure
from candelabra.embeddings.classifiers.candidate import FittedClassifier
from candelabra.report.consoles import make_console

_HEADER = ("classifier", "hyper-parameters", "folds", "val", "test", "test F1", "seconds", "ms")
_MARK = " *"
_LEGEND = (
    "* best on validation. Accuracy; folds: the mean over folds of training, by which hyper-parameters were chosen; "
    "seconds for that and the last fit; ms for an image whose features are there."
)


@dataclass(frozen=True)
class ClassifierRow:
    """One classifier.

    Args:
        words: its name.
        fitted: with the hyper-parameters chosen for it.
        val, test: accuracy, 0 to 1.
        f1: on test, the mean over classes.
        milliseconds: for one image, without the backbone.
        best: whether it is the best on validation.
    """

    words: str
    fitted: FittedClassifier
    val: float
    test: float
    f1: float
    milliseconds: float
    best: bool = False

    @property
    def cells(self) -> list[str]:
        """Formatted cells of the table."""
        chosen = ", ".join(f"{name} {value}" for name, value in self.fitted.chosen.items())
        failed = " (not converged)" * (not self.fitted.converged)
        shares = [f"{share:.4f}" for share in self.shares]
        times = [f"{self.fitted.seconds:.1f}", f"{self.milliseconds:.3f}"]
        return [self.words + _MARK * self.best, chosen + failed, *shares, *times]

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Accuracy over folds, on validation, on test, and F1 on test."""
        return self.fitted.cross_validated, self.val, self.test, self.f1


def write_classifier_table(rows: Sequence[ClassifierRow], title: str, folder: Path) -> None:
    """Prints the table, and writes classifiers.csv, classifiers.md and pictures/classifiers.png."""
    table = Table(title=title)
    for name in _HEADER:
        table.add_column(name, no_wrap=name != _HEADER[1])
    for row in rows:
        table.add_row(*row.cells, style="bold" if row.best else "")
    console = make_console()
    console.print(table)
    console.print(_LEGEND, highlight=False)
    with (folder / "classifiers.csv").open("w", newline="", encoding="utf-8") as file:
        cells = csv.writer(file)
        cells.writerow([*_HEADER, "best"])
        for row in rows:
            numbers = (*row.shares, row.fitted.seconds, row.milliseconds)
            cells.writerow([row.words, dict(row.fitted.chosen), *numbers, int(row.best)])
    lines = [_HEADER, ["---"] * len(_HEADER), *(row.cells for row in rows)]
    text = "\n".join(f"| {' | '.join(line).replace(_MARK, ' (best)')} |" for line in lines)
    (folder / "classifiers.md").write_text(f"{title}\n\n{text}\n\n{_LEGEND.removeprefix('* ')}\n", encoding="utf-8")
    _draw(rows, title, folder / "pictures" / "classifiers.png")


def _draw(rows: Sequence[ClassifierRow], title: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    axes.barh(places, [row.test for row in rows], color=["#3c82e6" if row.best else "#a9c4ec" for row in rows])
    axes.plot([row.val for row in rows], places, "k|", markersize=14, label="validation")
    axes.set_yticks(places, [row.words for row in rows])
    axes.invert_yaxis()
    for place, row in zip(places, rows, strict=True):
        axes.text(0.01, place, f"{row.test:.3f}   {row.fitted.seconds:.1f} s", va="center", fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("test accuracy; the darker bar was best on validation")
    axes.set_title(title, fontsize=9)
    figure.legend(loc="outside lower right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path, dpi=120)
