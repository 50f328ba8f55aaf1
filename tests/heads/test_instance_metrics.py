"""Average precision of masks: pycocotools' numbers, all detections counted, and images without an object."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from candelabra.data.decoding.mask_cells import MASK_SIDE
from candelabra.data.targets.instance_maps import UNKNOWN, find_crowds, list_codes, pack_object, pack_unknown
from candelabra.data.targets.object_masks import encode_run_lengths, paste_mask
from candelabra.heads.instance_metrics import InstanceMetrics

SIZE = (72, 96)
CLASSES = ("circle", "square", "star")


def draw_objects(rng: np.random.Generator, count: int) -> Tensor:
    """Ellipses, the last of many being a crowd."""
    value = torch.zeros(SIZE, dtype=torch.int32)
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    for number in range(1, count + 1):
        y, x = rng.uniform(8, SIZE[0] - 8), rng.uniform(8, SIZE[1] - 8)
        inside = ((rows - y) / rng.uniform(4, 20)) ** 2 + ((columns - x) / rng.uniform(4, 20)) ** 2 < 1
        value[torch.from_numpy(inside)] = pack_object(number, int(rng.integers(3)), crowd=count > 3 and number == count)
    return value


def predict_objects(rng: np.random.Generator, value: Tensor) -> Tensor:
    """Rows of predictions: boxes of the objects, moved, with masks of ellipses, some of another class; and others."""
    _, boxes = list_codes(value)
    rows = []
    grid = (np.arange(MASK_SIDE) + 0.5) / MASK_SIDE * 2 - 1
    for box in [*boxes.tolist(), [5.0, 5, 40, 40]]:
        for _ in range(int(rng.integers(0, 3))):
            left, top, right, bottom = np.array(box) + rng.normal(0, 1.5, 4)
            cut = [max(left, 0), max(top, 0), min(max(right, left + 3), SIZE[1]), min(max(bottom, top + 3), SIZE[0])]
            cells = (grid[:, None] ** 2 + grid**2 < rng.uniform(0.7, 1.3)).astype(np.float32)
            rows.append([*cut, float(rng.integers(3)), round(float(rng.uniform()), 2), *cells.ravel()])
    rows.sort(key=lambda row: -row[5])
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 6 + MASK_SIDE**2)


def measure(predictions: list[Tensor], values: list[Tensor]) -> dict[str, Tensor]:
    metric = InstanceMetrics(CLASSES)
    for found, value in zip(predictions, values, strict=True):
        certain = found[:, 5] >= 0.25
        metric.update(found[None], value[None], certain[None])
    return metric.compute()


def measure_by_coco(predictions: list[Tensor], values: list[Tensor], kind: str) -> list[float]:
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (rows, value) in enumerate(zip(predictions, values, strict=True)):
        codes, boxes = list_codes(value)
        for code, (left, top, right, bottom) in zip(codes, boxes.tolist(), strict=True):
            inside = (value == code).numpy()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(code) % 2048 // 2,
                    "iscrowd": int(find_crowds(code)),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(inside.sum()),
                    "segmentation": encode_run_lengths(inside),
                }
            )
        for row in rows:
            inside = paste_mask(row).spread(SIZE)
            places = np.argwhere(inside)
            (top, left), (bottom, right) = (places.min(0), places.max(0) + 1) if len(places) else ((0, 0), (0, 0))
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image,
                    "category_id": int(row[4]),
                    "score": float(row[5]),
                    "iscrowd": 0,
                    "bbox": [int(left), int(top), int(right - left), int(bottom - top)],
                    "area": int(inside.sum()),
                    "segmentation": encode_run_lengths(inside),
                }
            )
    documents = []
    for each in (annotations, found):
        coco = COCO()
        images = [{"id": number, "height": SIZE[0], "width": SIZE[1]} for number in range(len(values))]
        categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
        coco.dataset = {"info": {}, "images": images, "categories": categories, "annotations": each}
        documents.append(coco)
    with contextlib.redirect_stdout(io.StringIO()):
        for coco in documents:
            coco.createIndex()
        evaluation = COCOeval(*documents, iouType=kind)
        evaluation.params.maxDets = [10, 100, 300]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]
    numbers = [precision, precision[0], precision[5]]
    return [float(each[each > -1].mean()) for each in numbers]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools
def test_precisions_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = [draw_objects(rng, int(rng.integers(0, 6))) for _ in range(4)]
        values[0] = draw_objects(rng, 2)
        predictions = [predict_objects(rng, value) for value in values]
        found = measure(predictions, values)
        masks, boxes = (measure_by_coco(predictions, values, kind) for kind in ("segm", "bbox"))
        assert [float(found[name]) for name in ("map", "map50", "map75")] == pytest.approx(masks, abs=1e-6)
        assert [float(found[name]) for name in ("box_map", "box_map50")] == pytest.approx(boxes[:2], abs=1e-6)


def make_grid(count: int) -> tuple[Tensor, Tensor]:
    """A map of squares of 4 pixels, and predictions of all of them."""
    value = torch.zeros(80, 120, dtype=torch.int32)
    rows = []
    for number in range(count):
        top, left = number // 20 * 5, number % 20 * 6
        value[top : top + 4, left : left + 4] = pack_object(number + 1, 0)
        rows.append([left, top, left + 4, top + 4, 0, 0.9, *[1.0] * MASK_SIDE**2])
    return value, torch.tensor(rows, dtype=torch.float32)


def test_all_of_more_than_a_hundred_objects_count() -> None:
    value, rows = make_grid(200)
    found = measure([rows], [value])
    assert [float(found[name]) for name in ("map", "mar", "accuracy50", "box_map50")] == pytest.approx([1, 1, 1, 1])
    half = measure([rows[:100]], [value])
    assert (float(half["mar"]), float(half["accuracy50"])) == pytest.approx((0.5, 0.5))


def test_accuracy_counts_missed_and_false_objects_once() -> None:
    value, rows = make_grid(40)
    wrong = rows[:10].clone()
    wrong[:, 4] = 1
    unsure = rows[10:12].clone()
    unsure[:, 5] = 0.1
    found = measure([torch.cat([wrong, unsure, rows[20:]])], [value])
    assert float(found["accuracy50"]) == pytest.approx(20 / (20 + 20 + 10))  # right, missed and false
    assert found["confusion"][0].tolist() == [20, 10, 0, 10]


def test_crowds_and_unknown_classes_neither_count_as_objects_nor_as_mistakes() -> None:
    value, rows = make_grid(40)
    value[value == pack_object(1, 0)] = pack_object(1, 0, crowd=True)
    other = rows[20:21].clone()
    other[:, 4] = 1
    other[:, :4] += 200
    extra = torch.tensor([[100.0, 60, 110, 70, 1, 0.9, *[1.0] * MASK_SIDE**2]])
    assert float(measure([torch.cat([rows, extra])], [value])["accuracy50"]) == pytest.approx(39 / 40)
    value[value == 0] = pack_unknown([1])
    found = measure([torch.cat([rows, extra])], [value])
    assert float(found["accuracy50"]) == 1
    assert float(found["map"]) == pytest.approx(1)


def test_images_without_an_object_have_no_precision_but_their_detections_are_mistakes() -> None:
    value, rows = make_grid(10)
    empty = torch.zeros_like(value)
    assert set(measure([rows], [empty])) == {"ap", "confusion", "curves"}
    false = rows.clone()
    false[:, 5] = 0.95
    both = measure([rows, false], [value, empty])
    assert float(both["accuracy50"]) == pytest.approx(0.5)
    assert float(both["map50"]) < 1
    margin = value.clone()
    margin[70:] = UNKNOWN
    assert float(measure([rows], [margin])["map"]) == pytest.approx(1)


def test_a_metric_of_a_rank_without_an_image_joins_the_others() -> None:
    value, rows = make_grid(10)
    first, second = InstanceMetrics(CLASSES), InstanceMetrics(CLASSES)
    first.update(rows[None], value[None], torch.ones(1, len(rows), dtype=torch.bool))
    for name in ("detections", "objects", "runs", "images"):
        setattr(first, name, [torch.cat([*getattr(first, name), torch.zeros(0)])])
    assert float(first.compute()["map"]) == pytest.approx(1)
    second.update(rows[:0][None], torch.zeros_like(value)[None], torch.ones(1, 0, dtype=torch.bool))
    assert set(second.compute()) == {"ap", "confusion", "curves"}
