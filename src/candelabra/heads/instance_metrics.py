"""Average precision of objects by their pixels, as COCO and the Data Science Bowl measure it."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from candelabra.data.targets.instance_maps import (
    find_crowds,
    list_codes,
    list_unknown_classes,
    unpack_classes,
)
from candelabra.data.targets.object_masks import encode_run_lengths, list_mask_rows, paste_mask
from candelabra.data.targets.object_rows import CLASS_COLUMN, SCORE_COLUMN
from candelabra.heads.confusion import fill_confusion
from candelabra.heads.metric_group import MetricGroup
from candelabra.types import Size

_NUMBERS = ("map", "map50", "map75", "map_small", "map_medium", "map_large")  # the first of COCO's numbers
_RECALLS = 101  # at which precision is taken
_SAME = 0.5  # IoU of two masks
_COCO_MOST = 100  # detections an image that COCO's own numbers count
_COLUMNS = 3  # of what is kept of an object: class, score or crowd, and bytes of its run lengths


class InstanceMetrics(MetricGroup):
    """COCO's average precision of masks, `map` (IoU 0.5 to 0.95), `map50`, `map75`, by size, and recall `mar`.

    `box_map` and `box_map50` are those of boxes. `accuracy50` is TP / (TP + FP + FN) over all images, at an IoU of 0.5
    and among the detections that are certain: average precision as the Data Science Bowl 2018 and StarDist have it.
    `ap`, `confusion` and `curves` are as in `DetectionMetrics`, with masks in place of boxes. Crowds, and classes that
    nobody looked for, neither count as objects nor as mistakes. All detections of an image count; COCO's own code stops
    at 100.

    Args:
        classes: their names.
    """

    detections: list[Tensor]
    objects: list[Tensor]
    runs: list[Tensor]
    images: list[Tensor]
    confusion: Tensor
    names = ("map", "map50", "map75", "mar", "box_map", "box_map50", "accuracy50", "ap", "confusion", "curves")
    full_state_update = False

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        # Flat and float32, also the bytes of run lengths: a rank without an image sends an empty tensor of that type.
        for name in ("detections", "objects", "runs", "images"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("confusion", torch.zeros(len(classes) + 1, len(classes) + 1), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, target: Tensor, certain: Tensor) -> None:
        """Adds labelled images.

        Args:
            predictions: (n, D, 6 + S * S) rows of box, class, score and mask; see `InstancesTarget`.
            target: (n, H, W) maps of objects.
            certain: (n, D) bool, which of `predictions` the confusion counts.
        """
        for found, wanted, shown in zip(predictions, target, certain, strict=True):
            own, true = _list_predictions(found.float().cpu(), wanted.shape), _list_objects(wanted.cpu())
            for kept, masks in ((self.detections, own), (self.objects, true)):
                rows = [(float(each.number), each.score, float(len(each.runs))) for each in masks]
                kept.append(torch.tensor(rows, device=self.device).flatten())
            everything = b"".join(each.runs for each in (*own, *true))
            self.runs.append(torch.tensor(list(everything), dtype=torch.float32, device=self.device))
            size = (*wanted.shape, len(own), len(true))
            self.images.append(torch.tensor(size, dtype=torch.float32, device=self.device))
            there = found[:, CLASS_COLUMN] >= 0
            named = [each for each, is_shown in zip(own, shown[there].tolist(), strict=True) if is_shown]
            self.confusion += _count_confusion(named, true, wanted.shape, len(self.classes)).to(self.device)

    def compute(self) -> dict[str, Tensor]:
        """Values by name; none but the confusion where no image holds an object."""
        found = {"confusion": self.confusion, **self._measure_accuracy()}
        wanted, given = self._make_documents()
        if not any(not each["iscrowd"] for each in wanted["annotations"]):
            return {**found, **self._tabulate_classes(None)}
        masks, boxes = (_evaluate(wanted, given, kind) for kind in ("segm", "bbox"))
        numbers = dict(zip(_NUMBERS, masks.stats[: len(_NUMBERS)], strict=True))
        numbers |= {"mar": _average(masks.eval["recall"][:, :, 0, -1])}
        numbers |= {f"box_{name}": boxes.stats[place] for place, name in enumerate(_NUMBERS[:2])}
        found |= {name: torch.tensor(float(value)) for name, value in numbers.items() if value >= 0}
        return {**found, **self._tabulate_classes(masks)}

    def _measure_accuracy(self) -> dict[str, Tensor]:
        count = len(self.classes)
        right, objects, found = self.confusion.diagonal()[:count], self.confusion[:count], self.confusion[:, :count]
        whole = objects.sum() + found.sum() - right.sum()
        return {"accuracy50": right.sum() / whole} if objects.any() else {}

    def _make_documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Objects and detections as COCO's JSON has them."""
        runs, start = bytes(dim_zero_cat(self.runs).cpu().to(torch.uint8).numpy()), 0
        listed: dict[str, tuple[list[list[float]], list[dict[str, Any]]]] = {
            kind: (dim_zero_cat(rows).view(-1, _COLUMNS).tolist(), [])
            for kind, rows in (("detections", self.detections), ("objects", self.objects))
        }
        images: list[dict[str, int]] = []
        for number, (height, width, *counts) in enumerate(dim_zero_cat(self.images).view(-1, 4).int().tolist()):
            images.append({"id": number, "height": height, "width": width})
            for count, (rows, annotations) in zip(counts, listed.values(), strict=True):
                for class_index, score, length in rows[len(annotations) : len(annotations) + count]:
                    mask = {"size": [height, width], "counts": runs[start : start + int(length)]}
                    annotations.append(_annotate(len(annotations) + 1, number, int(class_index), score, mask))
                    start += int(length)
        categories = [{"id": number, "name": name} for number, name in enumerate(self.classes)]
        wanted, given = (
            {"info": {}, "images": images, "categories": categories, "annotations": listed[kind][1]}
            for kind in ("objects", "detections")
        )
        return wanted, given

    def _tabulate_classes(self, masks: Any) -> dict[str, Tensor]:
        """`ap` and `curves`."""
        table = torch.full((len(self.classes), 2), torch.nan)
        curves = torch.full((len(self.classes), 2, _RECALLS), torch.nan)
        for number in range(len(self.classes)) if masks else ():
            precision = torch.from_numpy(masks.eval["precision"][..., number, 0, -1]).float()  # (thresholds, recalls)
            if (precision >= 0).any():
                table[number] = torch.stack([precision.mean(), precision[0].mean()])
                curves[number, 0] = precision[0]
                curves[number, 1] = torch.from_numpy(masks.eval["scores"][0, :, number, 0, -1]).float()
        return {"ap": table, "curves": curves}


class _Mask(NamedTuple):
    """An object of an image.

    Args:
        number: of its class.
        score: of a detection; 1 for an object, 0 for a crowd or a class that nobody looked for.
        runs: the run lengths of its mask, as COCO packs them.
    """

    number: int
    score: float
    runs: bytes


def _list_predictions(rows: Tensor, size: Size) -> list[_Mask]:
    found = []
    for row in list_mask_rows(rows):
        inside = paste_mask(row).spread(size)
        found.append(_Mask(int(row[CLASS_COLUMN]), float(row[SCORE_COLUMN]), _pack(inside)))
    return found


def _list_objects(values: Tensor) -> list[_Mask]:
    codes, _ = list_codes(values)
    known = [
        _Mask(int(unpack_classes(code)), 0.0 if find_crowds(code) else 1.0, _pack((values == code).numpy()))
        for code in codes
    ]
    whole = _pack(np.ones(values.shape, np.bool_))
    return [*known, *(_Mask(number, 0.0, whole) for number in list_unknown_classes(values))]


def _pack(inside: NDArray[np.bool_]) -> bytes:
    packed: str = encode_run_lengths(inside)["counts"]
    return packed.encode()


def _count_confusion(found: Sequence[_Mask], wanted: Sequence[_Mask], size: Size, classes: int) -> Tensor:
    """(C + 1, C + 1) of one image; see `count_confusion`."""
    objects, regions = ([each for each in wanted if bool(each.score) is taught] for taught in (True, False))
    excused = (_compare(found, regions, size, crowd=True) >= _SAME) & (
        torch.tensor([each.number for each in found])[:, None] == torch.tensor([each.number for each in regions])
    )
    return fill_confusion(
        _compare(found, objects, size, crowd=False).T,
        [each.number for each in objects],
        [each.number for each in found],
        excused.any(1).tolist(),
        classes,
    )


def _compare(found: Sequence[_Mask], others: Sequence[_Mask], size: Size, crowd: bool) -> Tensor:
    """(D, K) IoU of masks; or the share of each found one that lies in each other."""
    from faster_coco_eval.core import mask as coco_masks

    if not found or not others:
        return torch.zeros(len(found), len(others))
    first, second = ([{"size": list(size), "counts": each.runs} for each in masks] for masks in (found, others))
    return torch.from_numpy(np.asarray(coco_masks.iou(first, second, [int(crowd)] * len(second)))).float()


def _annotate(number: int, image: int, class_index: int, score: float, mask: dict[str, Any]) -> dict[str, Any]:
    """An annotation of COCO's JSON; an object has no score, and a score of 0 makes it a crowd."""
    from faster_coco_eval.core import mask as coco_masks

    return {
        "id": number,
        "image_id": image,
        "category_id": class_index,
        "bbox": coco_masks.toBbox(mask).tolist(),
        "area": float(coco_masks.area(mask)),
        "segmentation": mask,
        "iscrowd": int(score <= 0),
        "score": score,
    }


def _evaluate(wanted: dict[str, Any], given: dict[str, Any], kind: str) -> Any:
    """COCO's evaluation, done; its numbers count all detections of an image."""
    from faster_coco_eval import COCO, COCOeval_faster

    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it logs its tables
    pairs = []
    for document in (wanted, given):
        coco = COCO()
        coco.dataset = document
        coco.createIndex()
        pairs.append(coco)
    evaluation = COCOeval_faster(*pairs, iouType=kind)
    counts = Counter(each["image_id"] for each in given["annotations"])
    most = max([_COCO_MOST + 1, *counts.values()])
    evaluation.params.maxDets = [10, _COCO_MOST, most]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def _average(values: NDArray[np.float64]) -> float:
    """The mean of those that are there, which COCO marks by being at least 0; -1 for none."""
    known = values[values >= 0]
    return float(known.mean()) if known.size else -1.0
