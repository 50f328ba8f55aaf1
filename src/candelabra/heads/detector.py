"""What all heads for `boxes` share: metrics, decoding options, and the rows that they predict."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchvision.ops import box_iou

from candelabra.data.targets import BoxesTarget, Labels
from candelabra.data.targets.object_rows import CLASS_COLUMN
from candelabra.heads.answers import HeadAnswer, NoAnswer, pick_class
from candelabra.heads.box_decoding import select_detections
from candelabra.heads.confusion import count_confusion
from candelabra.heads.detection_metrics import NO_OBJECT, DetectionMetrics
from candelabra.heads.exported_nms import restore_rows, select_exported_detections
from candelabra.heads.head import Head, require_target
from candelabra.heads.picture_view import PictureView
from candelabra.heads.score_thresholds import DEFAULT_SCORE, choose_score_thresholds, select_certain_rows
from candelabra.types import Features, Size

_LEAST = 1e-6  # score of nothing, whose logit is finite
DECODING_OPTIONS = ("score_threshold", "nms_threshold", "max_detections")


class Detector(Head, ABC):
    """A head that finds all objects of an image; a final class has the network, its loss, and `decode`.

    Args:
        labels: the data must label boxes.
        score_threshold: least score of a detection.
        nms_threshold: the IoU above which the lower one of two detections of a class is dropped.
        max_detections: an image.

    Attributes:
        classes: names of the classes of objects.
        thresholds: (C,) the score from which on detections of a class are shown and counted in the confusion; that of
            the highest F1 on validation. Average precision takes all detections.
    """

    thresholds: Tensor

    target: ClassVar[str] = BoxesTarget.name
    main_metric = "map50"
    tables = frozenset({"ap", "confusion", "curves"})
    unmeasured = NO_OBJECT

    def __init__(self, labels: Labels, score_threshold: float, nms_threshold: float, max_detections: int) -> None:
        super().__init__()
        self.target_info = require_target(labels, BoxesTarget)
        self.classes = self.target_info.classes
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.max_detections = max_detections
        self.register_calibrated("thresholds", torch.full((len(self.classes),), DEFAULT_SCORE))

    def list_class_rows(self) -> Sequence[str]:
        return ["classify", "thresholds"]

    @abstractmethod
    def decode(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Boxes (N, L, 4), XYXY in pixels, and scores (N, L, C) before suppression.

        Args:
            outputs: what `forward` or `average_mirrored` returned.
            size: (H, W) of the images.
        """

    def metrics(self) -> dict[str, Metric]:
        return {"detections": DetectionMetrics(self.classes)}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: Size) -> None:
        labelled = self.labelled(target)
        self.compare(metrics, self.predict(outputs[labelled], size), target[labelled], size)

    def compare(self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: Size) -> None:
        metrics["detections"].update(predictions, target, self.select_certain(predictions))

    def score(self, values: Mapping[str, float]) -> float | None:
        return values.get(self.main_metric)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """The n-th detection, 1 being the best, or the best one of a class by name; by default the best.

        Its score is the highest of that class among boxes which overlap it by half (as in D-RISE, Petsiuk et al. 2021).
        """
        rows = self.predict(self(features), features.size)[0].detach()
        rows = rows[rows[:, CLASS_COLUMN] >= 0]
        place = 1
        if word is not None and (word in self.classes or not word.isdecimal()):
            rows = rows[rows[:, CLASS_COLUMN] == pick_class(word, self.classes)]
        elif word is not None:
            place = int(word)
        if place < 1:
            raise NoAnswer("target=0: objects are numbered from 1, the best one")
        if len(rows) < place:
            raise NoAnswer(f"{len(rows)} objects are found" + ("" if word is None else f" for target={word}"))
        row = rows[place - 1]
        box, kind = row[:CLASS_COLUMN], int(row[CLASS_COLUMN])

        def read_confidence(changed: Features) -> Tensor:
            boxes, scores = self.decode(self(changed), changed.size)
            near = box_iou(boxes.flatten(0, 1), box[None]).view(boxes.shape[:2]) >= 0.5
            return scores[..., kind].masked_fill(~near, 0).amax(1)

        words = f"{self.classes[kind]}, detection {place}"
        return HeadAnswer(words, lambda changed: read_confidence(changed).logit(_LEAST), read_confidence)

    def predict(self, outputs: Tensor, size: Size) -> Tensor:
        """Detections (N, D, 6), rows of box, class and score, best first; filled up with rows of -1."""
        boxes, scores = self.decode(outputs, size)
        return select_detections(boxes, scores, size, self.score_threshold, self.nms_threshold, self.max_detections)

    def decode_exported(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """What `decode` does, without a shape that depends on values."""
        return self.decode(outputs, size)

    def predict_exported(self, outputs: Tensor, size: Size) -> Tensor:
        """What `predict` does, in operations that exporters translate; the same D for any image."""
        boxes, scores = self.decode_exported(outputs, size)
        limits = (self.score_threshold, self.nms_threshold, self.max_detections)
        return select_exported_detections(boxes, scores, size, *limits)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> Mapping[str, Tensor]:
        """Rows (N, D, 6) as of `predict`; those that are outside of the pictures are rows of -1 as well."""
        rows = self.predict_exported(outputs, view.size)
        answer = {"": restore_rows(rows, view)}
        return {**answer, "prepared": rows} if self.decodes_by_weights else answer

    def describe_answer(self) -> dict[str, Any]:
        limits = {key: getattr(self, key) for key in DECODING_OPTIONS}
        thresholds = [round(score, 6) for score in self.thresholds.tolist()]
        return {"kind": "objects", "classes": list(self.classes), "thresholds": thresholds, **limits}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.thresholds.copy_(torch.tensor(about.get("thresholds", self.thresholds.tolist())))
        self.score_threshold = float(about.get("score_threshold", self.score_threshold))
        self.nms_threshold = float(about.get("nms_threshold", self.nms_threshold))
        self.max_detections = int(about.get("max_detections", self.max_detections))

    def select_certain(self, predictions: Tensor) -> Tensor:
        return select_certain_rows(predictions, self.thresholds.to(predictions.device))

    def calibrate(self, tables: Mapping[str, Tensor]) -> None:
        if "curves" in tables:
            self.thresholds.copy_(choose_score_thresholds(tables["curves"]))

    def describe_errors(self, prediction: Tensor, target: Tensor) -> str:
        """Names what was missed, what is no object, and what was taken for another class."""
        named = (*self.classes, "")
        found = prediction[prediction[:, CLASS_COLUMN] >= 0]
        wanted = target.as_subclass(Tensor)[target[:, CLASS_COLUMN] >= 0]
        matrix = count_confusion(found, wanted, len(self.classes)).fill_diagonal_(0)
        words: dict[str, Counter[str]] = {"missed": Counter(), "false": Counter(), "confused": Counter()}
        for true, taken in matrix.nonzero().tolist():
            kind = "missed" if not named[taken] else "confused" if named[true] else "false"
            what = named[true] or named[taken] if kind != "confused" else f"{named[true]} for {named[taken]}"
            words[kind][what] += int(matrix[true, taken])
        lists = {kind: [f"{count} {what}" for what, count in each.most_common()] for kind, each in words.items()}
        return "; ".join(f"{kind} {', '.join(listed)}" for kind, listed in lists.items() if listed)
