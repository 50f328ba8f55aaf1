"""The head for `instances`: a detector, and a mask in each of its boxes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.decoding.mask_cells import MASK_SIDE
from candelabra.data.targets import BoxesTarget, InstancesTarget, Labels
from candelabra.data.targets.instance_maps import list_codes, make_rows
from candelabra.data.targets.object_masks import resample_cells
from candelabra.data.targets.object_rows import CLASS_COLUMN, IGNORED_SCORE, ROW_WIDTH, SCORE_COLUMN
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.detection_metrics import NO_OBJECT
from candelabra.heads.detector import Detector
from candelabra.heads.exported_nms import restore_rows
from candelabra.heads.exported_regions import number_regions
from candelabra.heads.fcos import FCOS
from candelabra.heads.feature_pyramid import measure_levels
from candelabra.heads.head import Head, require_target
from candelabra.heads.instance_metrics import InstanceMetrics
from candelabra.heads.mask_layers import MaskBranch, MaskFeatures, crop_masks, measure_mask_map
from candelabra.heads.picture_view import PictureView
from candelabra.heads.score_thresholds import find_certain_rows
from candelabra.types import Features, Size

_JITTER = 0.1  # share of its sides by which the edges of a box are moved in training, as a detector is off by some
_PADDING = -1.0


class MaskRCNN(Head):
    """Mask R-CNN (He et al. 2017): finds the boxes of objects, then the pixels of each in its box.

    With `FasterRCNN` it is the paper's; with `FCOS` it is close to CenterMask (Lee & Park 2020), and faster. Masks are
    read from one map of stride 4, and learned in the boxes of the objects, each edge moved a little; nothing is drawn
    at random. Outputs (N, ...) hold those of the detector and that map, one after the other.

    Args:
        backbone, labels: what to read from, and the classes; the data must label instances.
        detector: builds the head that finds boxes; see `Detector`.
        width: channels of the map that masks are read from.
        layers: convolutions that read a mask.
        regions: objects of an image that masks are learned of, at most.
        mask_weight: factor of the loss of masks.
    """

    target: ClassVar[str] = InstancesTarget.name
    target_info: InstancesTarget
    main_metric = "map50"
    tables = frozenset({"ap", "confusion", "curves"})
    unmeasured = NO_OBJECT
    decodes_by_weights = True

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        detector: Callable[[Backbone, Labels], Detector] = FCOS,
        width: int = 64,
        layers: int = 2,
        regions: int = 64,
        mask_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, InstancesTarget)
        self.classes = self.target_info.classes
        self.detector = detector(backbone, Labels(BoxesTarget(self.classes)))
        self.mask_features, self.masks = MaskFeatures(backbone, width), MaskBranch(width, layers)
        self.width, self.regions, self.mask_weight = width, regions, mask_weight

    def list_class_rows(self) -> Sequence[str]:
        return [f"detector.{name}" for name in self.detector.list_class_rows()]

    def forward(self, features: Features) -> Tensor:
        maps = self.mask_features(features)
        found = [self.detector(features).flatten(1), maps.float().flatten(1)]
        if torch.is_grad_enabled():
            # 0, of no object: DDP waits for the gradient of each parameter also on a rank where `loss` is not called.
            found[1] = found[1] + self.masks(maps, maps.new_zeros(0, 5)).sum()
        return torch.cat(found, 1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        found, maps = self._unpack(outputs, size)
        listed = [list_codes(each) for each in target]
        rows = [make_rows(*each) for each in zip(target, listed, strict=True)]
        boxes = self.detector.loss(found, pad_sequence(rows, batch_first=True, padding_value=_PADDING), size)
        taught = [self._choose_regions(codes, own) for (codes, _), own in zip(listed, rows, strict=True)]
        logits = self.masks(maps, [each for each, _ in taught]).split([len(each) for each, _ in taught])
        masks = [_compute_mask_loss(*each) for each in zip(logits, target, taught, strict=True)]
        return torch.where(self.labelled(target), boxes + self.mask_weight * torch.stack(masks), 0.0)

    def _choose_regions(self, codes: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(R, 4) boxes of objects, moved a little, and which of the values (K,) of the objects of a map they have."""
        own = rows[: len(codes)]  # the others are classes that nobody looked for
        taught = own[:, SCORE_COLUMN] > IGNORED_SCORE if len(codes) else own.new_zeros(0, dtype=torch.bool)
        boxes, codes = own[taught, :CLASS_COLUMN], codes[taught]
        noise = _hash_boxes(boxes)
        first = noise.sum(1).argsort()[: self.regions]
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        moved = boxes + _JITTER * noise * sides
        return moved[first], codes[first]

    def metrics(self) -> dict[str, Metric]:
        return {"objects": InstanceMetrics(self.classes)}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: Size) -> None:
        labelled = self.labelled(target)
        self.compare(metrics, self.predict(outputs[labelled], size), target[labelled], size)

    def compare(self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: Size) -> None:
        certain = find_certain_rows(predictions, self.detector.thresholds.to(predictions.device))
        metrics["objects"].update(predictions, target, certain)

    def score(self, values: Mapping[str, float]) -> float | None:
        return values.get(self.main_metric)

    def select_certain(self, predictions: Tensor) -> Tensor:
        return self.detector.select_certain(predictions)

    def calibrate(self, tables: Mapping[str, Tensor]) -> None:
        self.detector.calibrate(tables)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """See `Detector.find_answer`."""
        return self.detector.find_answer(features, word)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Objects (N, D, 6 + S * S), rows of box, class, score and mask, best first; filled up with rows of -1."""
        outputs_of_boxes, maps = self._unpack(outputs, size)
        rows = [each[each[:, CLASS_COLUMN] >= 0] for each in self.detector.predict(outputs_of_boxes, size)]
        # Image by image: the regions of a whole batch would take gigabytes.
        masks = [self.masks(maps[n : n + 1], [own[:, :CLASS_COLUMN]]) for n, own in enumerate(rows)]
        whole = [torch.cat([own, mask.sigmoid().flatten(1)], 1) for own, mask in zip(rows, masks, strict=True)]
        return pad_sequence(whole, batch_first=True, padding_value=_PADDING)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> Mapping[str, Tensor]:
        """Rows (N, D, 6 + S * S) as of `predict`; masks are shares of boxes that are cut at the borders of pictures."""
        outputs_of_boxes, maps = self._unpack(outputs, view.size)
        rows = self.detector.predict_exported(outputs_of_boxes, view.size)
        boxes = rows[..., :CLASS_COLUMN]
        masks = self.masks(maps, number_regions(boxes)).sigmoid()
        prepared = torch.cat([rows, masks.reshape(rows.shape[0], rows.shape[1], MASK_SIDE**2)], 2)
        prepared = torch.where(rows[..., CLASS_COLUMN, None] >= 0, prepared, _PADDING)
        corners = view.restore_points(boxes.unflatten(2, (2, 2))).flatten(2)
        whole = torch.cat([corners, prepared[..., CLASS_COLUMN:]], 2)
        placed = restore_rows(prepared, view)
        cells = resample_cells(whole.flatten(0, 1), placed.flatten(0, 1)).view_as(placed[..., ROW_WIDTH:])
        return {"": torch.cat([placed[..., :ROW_WIDTH], cells], 2), "prepared": prepared}

    def describe_answer(self) -> dict[str, Any]:
        return {**self.detector.describe_answer(), "kind": "instances"}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.detector.restore_answer(about)

    def _unpack(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Outputs of the detector (N, L, c), and the map (N, width, h, w) that masks are read from."""
        extent = measure_mask_map(size)
        locations = sum(height * width for height, width in measure_levels(size))
        found, maps = outputs.tensor_split([outputs.shape[1] - self.width * extent[0] * extent[1]], 1)
        return found.unflatten(1, (locations, -1)), maps.unflatten(1, (self.width, *extent))


def _hash_boxes(boxes: Tensor) -> Tensor:
    """(R, 4) numbers of -1 to 1 that any change of a box changes: a sample has the same ones in any batch."""
    mixed = torch.stack([(boxes * (12.9898 + 7.233 * side)).sum(1) + side for side in range(4)], 1)
    return torch.frac(mixed.sin() * 43758.5453)


def _compute_mask_loss(logits: Tensor, values: Tensor, taught: tuple[Tensor, Tensor]) -> Tensor:
    """Binary cross entropy and Dice loss of the masks (R, S, S) of one image, means over objects; 0 where none is."""
    boxes, codes = taught
    wanted, known = crop_masks(values, codes, boxes)
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    counts = known.sum((1, 2)).clamp(min=1)
    found = logits.sigmoid() * known
    wanted = wanted * known
    overlap = (2 * (found * wanted).sum((1, 2)) + 1) / (found.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    each = (cross * known).sum((1, 2)) / counts + 1 - overlap
    return each.sum() / max(len(each), 1)
