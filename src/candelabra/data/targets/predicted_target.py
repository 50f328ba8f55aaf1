"""How the prediction of a target is told: in words, tables, files of its own, Python and JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from candelabra.types import Size


class PredictedTarget:
    """The part of `Target` that concerns predictions; the defaults suit a target that says nothing of its own."""

    def caption(self, value: Tensor) -> str:
        """The value in words, for the corner of a picture; empty for what is drawn."""
        return ""

    def prediction_header(self) -> list[str]:
        """Columns of predictions.csv."""
        return []

    def prediction_row(self, value: Tensor) -> list[str]:
        """Cells of predictions.csv, as many as `prediction_header` has."""
        return []

    def rank_header(self, count: int) -> list[str]:
        """Further columns of predictions.csv, for the second to the `count`-th class where one is told of several."""
        return []

    def rank_row(self, value: Tensor, count: int) -> list[str]:
        """Cells of predictions.csv, as many as `rank_header` has."""
        return []

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes a prediction as a file of its own below `folder`, where it has one; `size` is (H, W) of the image."""
        return

    def to_result(self, value: Tensor) -> Any:
        """A prediction as an attribute of `candelabra.Prediction`; an array, unless a target has more to say."""
        return value.numpy()

    def to_json_result(self, value: Tensor) -> Any:
        """A prediction in plain values, for JSON: short, so that maps are summarised."""
        return value.tolist()

    @property
    def legend(self) -> Sequence[tuple[str, tuple[int, int, int]]]:
        """Names and colours of what `draw` paints without naming it; empty where nothing needs a name."""
        return ()

    @property
    def confusion_classes(self) -> Sequence[str]:
        """Names of the classes of a confusion matrix over this target."""
        return ()
