"""Learning curves and a table of epochs that grow below the cell of a notebook."""

import sys
from io import BytesIO
from typing import Any

import lightning as L

from candelabra.report.html.embedded_images import format_data_url

_COLUMNS = ("train/loss", "val/loss", "val/score")
_SHOWN = 10  # epochs in the table; the curves have all


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


class NotebookCurves(L.Callback):
    """Shows losses and score of each epoch in place of what it showed before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.display: Any = None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        from IPython.display import HTML, display

        metrics = trainer.callback_metrics
        self.rows.append({name: float(metrics[name]) for name in _COLUMNS if name in metrics})
        shown = HTML(self.format_page(trainer.max_epochs))
        if self.display is None:
            self.display = display(shown, display_id=True)
        else:
            self.display.update(shown)

    def format_page(self, epochs: int | None) -> str:
        """The curves above the table of the last epochs, as HTML.

        Args:
            epochs: of the whole run; null or -1 where it has no end.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 2.6), layout="constrained")
        for axes, names in zip(figure.subplots(1, 2), (_COLUMNS[:2], _COLUMNS[2:]), strict=True):
            for name in names:
                points = [(number, row[name]) for number, row in enumerate(self.rows, 1) if name in row]
                if points:
                    axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
                    axes.legend()
            axes.set_xlabel("epoch")
        whole = f" / {epochs}" if epochs and epochs > 0 else ""
        head = "".join(f"<th>{name}</th>" for name in ("epoch", *_COLUMNS))
        body = "".join(
            f"<tr><td>{number}{whole}</td>"
            + "".join(f"<td>{row[name]:.4f}</td>" if name in row else "<td></td>" for name in _COLUMNS)
            + "</tr>"
            for number, row in list(enumerate(self.rows, 1))[-_SHOWN:]
        )
        drawn = BytesIO()
        figure.savefig(drawn, format="png", dpi=80)
        return f'<img src="{format_data_url(drawn.getvalue(), "png")}"><table><tr>{head}</tr>{body}</table>'
