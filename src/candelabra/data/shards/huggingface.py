"""Data sets of the Hugging Face hub, or of a folder as its `datasets` writes or reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra.data.labels_json import parse_labels_json
from candelabra.data.object_choice import ObjectRule, choose_object
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples
from candelabra.data.shards.arrow_source import ArrowSource
from candelabra.data.shards.box_columns import BoxCorners, compute_area, make_object_cells, parse_box
from candelabra.data.shards.encoded_samples import make_encoded_samples
from candelabra.data.shards.hub_columns import add_class_names, choose_hub_columns, has_box_labels, read_hub_column
from candelabra.data.shards.hub_dataset import find_image_roots, load_hub_dataset
from candelabra.data.targets import BoxesTarget, BoxTarget, LabelTarget, list_target_classes
from candelabra.environment import require_package
from candelabra.errors import CandelabraError


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Reader):
    """Splits train, validation and test as published; images are decoded when they are asked for, and memory-mapped.

    Args:
        path: a name on the hub, or a folder: written by save_to_disk, or of Parquet files, or of images.
        name: of the configuration, where there are several.
        columns: which column is what, such as {image: img, label: fine_label, box: objects.bbox}; those not named
            are guessed by their names and features.
        boxes: what the four numbers of a box are, in pixels: xyxy, or xywh as in COCO.
        objects: which box is taken, and which label with it, where an image has several: largest, first, or single
            (an image with several has neither).
        words: names that the features do not have: {mask: {classes: [...]}, keypoints: {names: [...], mirror: [...]}}.
    """

    path: str
    name: str | None = None
    columns: Mapping[str, str] | None = None
    boxes: BoxCorners | None = None
    objects: ObjectRule = "largest"
    words: Mapping[str, Any] | None = None

    def read(self) -> Samples:
        require_package("datasets", "data=huggingface")
        splits = load_hub_dataset(self.path, self.name)
        features = next(iter(splits.values())).features
        columns = choose_hub_columns(self.columns, features, self.path)
        if "image" not in columns:
            raise CandelabraError(
                f"data.path={self.path} has no column of images among {', '.join(features)}; name it with "
                "data.columns={image: ...}."
            )
        given = add_class_names(parse_labels_json(self.words or {}, "data.words"), features, columns)
        counts = [len(each) for each in splits.values()]
        published = np.repeat(np.array(list(splits), "<U5"), counts)
        kinds = list_target_classes()
        files = {name: column for name, column in columns.items() if name in kinds and kinds[name].in_files}
        source = ArrowSource(list(splits.values()), columns["image"], files, find_image_roots(self.path))
        names = [f"{split}/{number}" for split, count in zip(splits, counts, strict=True) for number in range(count)]
        cells = {name: read_hub_column(splits.values(), columns.get(name)) for name in kinds if name not in files}
        label, box = cells[LabelTarget.name], cells[BoxTarget.name]
        if any(cell is not None for cell in box):
            if self.boxes is None:
                raise CandelabraError(
                    f"data.boxes is not given: say what the numbers of {columns[BoxTarget.name]} are, such as "
                    f"{next(cell for cell in box if cell is not None)}: data.boxes=xyxy or data.boxes=xywh."
                )
            several = [parse_box(cell, self.boxes) for cell in box]
            places = [choose_object([compute_area(each) for each in boxes], self.objects) for boxes in several]
            box_cells, box = box, [None if at is None else boxes[at] for boxes, at in zip(several, places, strict=True)]
            if has_box_labels(columns):
                cells[BoxesTarget.name] = make_object_cells(box_cells, several, label)
                classes = (given.find(LabelTarget) or LabelTarget()).classes
                given = given.with_target(BoxesTarget(classes)) if classes else given
                label = [None if at is None else each[at] for each, at in zip(label, places, strict=True)]
        cells |= {LabelTarget.name: label, BoxTarget.name: box}
        present = {name: np.full(len(names), name in files) for name, kind in kinds.items() if kind.in_files}
        return make_encoded_samples(source, names, published, cells, present, given)
