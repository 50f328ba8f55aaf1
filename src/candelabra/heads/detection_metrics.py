"""Average precision of detections, as COCO measures it, and the confusion of their classes."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from candelabra.data.targets.object_rows import CLASS_COLUMN, IGNORED_SCORE, ROW_WIDTH, SCORE_COLUMN
from candelabra.heads.confusion import count_confusion
from candelabra.heads.metric_group import MetricGroup

_NUMBERS = {"map": "map", "map50": "map_50", "map75": "map_75"}
_SIZES = ("map_small", "map_medium", "map_large")
NO_OBJECT = "No validation image holds an object; label some, or divide the images anew (data.split=random)."
_RECALLS = 101  # at which precision is taken
_COCO_MOST = 100  # detections an image that COCO's own numbers count


class DetectionMetrics(MetricGroup):
    """COCO's average precision `map` (IoU 0.5 to 0.95), `map50`, `map75`, `map_small`, ..., and recall `mar`.

    Sizes are those of COCO: an area below 32 ** 2 pixels is small, above 96 ** 2 large. What the samples do not have
    (no small object, say) has no value. `ap` (C, 2) is AP and AP50 of each class, NaN without an object. `confusion`
    (C + 1, C + 1) counts objects by true class and found class; its last row is what is no object, its last column
    what was not found. Two are the same at an IoU of 0.5 or more. `curves` (C, 2, 101) is precision at an IoU of 0.5,
    and the score down to which detections are taken, at recalls of 0, 0.01, ..., 1; NaN for a class without an object.

    Regions of score 0 neither count as objects nor as mistakes.

    All detections of an image count; COCO's own code stops at 100.

    Args:
        classes: their names.
    """

    detections: list[Tensor]
    objects: list[Tensor]
    counts: list[Tensor]
    confusion: Tensor
    names = ("map", "map50", "map75", "mar", "ap", "confusion", "curves")
    full_state_update = False

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        # Flat, because torchmetrics lets a rank without a sample send an empty tensor of one dimension.
        for name in ("detections", "objects", "counts"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("confusion", torch.zeros(len(classes) + 1, len(classes) + 1), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, target: Tensor, certain: Tensor) -> None:
        """Adds labelled images.

        Args:
            predictions: (n, D, 6) rows of box, class and score; see `BoxesTarget`.
            target: (n, K, 6) likewise.
            certain: (n, E, 6) those of `predictions` that the confusion counts.
        """
        for rows in zip(predictions, target, certain, strict=True):
            found, wanted, named = (each[each[:, CLASS_COLUMN] >= 0].float() for each in rows)
            self.detections.append(found.flatten())
            self.objects.append(wanted.flatten())
            self.counts.append(torch.tensor([len(found), len(wanted)], dtype=torch.float32, device=found.device))
            self.confusion += count_confusion(named, wanted, len(self.classes))

    def compute(self) -> dict[str, Tensor]:
        """Values by name; none but the confusion where no image holds an object."""
        from torchmetrics.detection import MeanAveragePrecision

        logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it logs its tables
        images = self._list_images()
        most = max([_COCO_MOST + 1, *(len(found["scores"]) for found in images[0])])
        metric = MeanAveragePrecision(
            # torchmetrics' own thresholds are float32, which turns the comparison with an equal IoU around.
            iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
            rec_thresholds=np.linspace(0, 1, _RECALLS).tolist(),
            max_detection_thresholds=[10, _COCO_MOST, most],  # the last is the one that all numbers go by
            extended_summary=True,
            backend="faster_coco_eval",
        )
        metric.warn_on_many_detections = False
        metric.update(*images)
        values = metric.compute()
        found = {name: values[key] for name, key in _NUMBERS.items()}
        found |= {name: values[name] for name in _SIZES} | {"mar": values[f"mar_{most}"]}
        found = {name: value.float() for name, value in found.items() if value >= 0}
        return {**found, **self._tabulate_classes(values), "confusion": self.confusion}

    def _list_images(self) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
        """Detections and objects of each image, as torchmetrics takes them."""
        counts = dim_zero_cat(self.counts).view(-1, 2).long().T.tolist()
        rows = [dim_zero_cat(each).view(-1, ROW_WIDTH).cpu() for each in (self.detections, self.objects)]
        found, wanted = (
            [
                {
                    "boxes": part[:, :CLASS_COLUMN],
                    "labels": part[:, CLASS_COLUMN].long(),
                    "scores": part[:, SCORE_COLUMN],
                    "iscrowd": (part[:, SCORE_COLUMN] <= IGNORED_SCORE).long(),
                }
                for part in each.split(lengths)
            ]
            for each, lengths in zip(rows, counts, strict=True)
        )
        return found, wanted

    def _tabulate_classes(self, values: dict[str, Any]) -> dict[str, Tensor]:
        """`ap` and `curves`."""
        table = torch.full((len(self.classes), 2), torch.nan)
        curves = torch.full((len(self.classes), 2, _RECALLS), torch.nan)
        if "precision" in values:
            precision = values["precision"][..., 0, -1].float()  # (thresholds, recalls, classes that occur)
            scores = values["scores"][0, ..., 0, -1].float()
            for place, number in enumerate(values["classes"].flatten().tolist()):
                if (precision[..., place] >= 0).any():
                    table[number] = torch.stack([precision[..., place].mean(), precision[0, :, place].mean()])
                    curves[number] = torch.stack([precision[0, :, place], scores[:, place]])
        return {"ap": table, "curves": curves}
