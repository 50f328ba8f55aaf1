import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from candelabra.heads.confusion import count_confusion
from candelabra.heads.detection_metrics import DetectionMetrics

CLASSES = ("a", "b", "c")


def draw_image(rng: np.random.Generator, most: int) -> tuple[Tensor, Tensor]:
    """Detections (D, 6) and objects (K, 6): objects of which most are found, crowds, and false alarms."""
    count = int(rng.integers(0, most + 1))
    corner, extent = (
        rng.uniform(0, 400, (count, 2)),
        rng.choice([12, 50, 150], (count, 1)) * rng.uniform(0.5, 1, (count, 2)),
    )
    wanted = np.concatenate([corner, corner + extent, rng.integers(0, 3, (count, 1)), rng.random((count, 1)) > 0.1], 1)
    moved = wanted[rng.random(count) > 0.2]
    moved = np.concatenate([moved, moved[: len(moved) // 3]])
    boxes = moved[:, :4] + rng.normal(0, 1, (len(moved), 4)) * rng.choice([0, 2, 6], (len(moved), 1))
    wrong = rng.random((len(moved), 1)) < 0.1
    numbers = np.where(wrong, rng.integers(0, 3, (len(moved), 1)), moved[:, 4:5])
    found = np.concatenate([boxes, numbers, rng.random((len(moved), 1)).round(2)], 1)
    return torch.tensor(found, dtype=torch.float32), torch.tensor(wanted, dtype=torch.float32)


def measure_with_pycocotools(images: list[tuple[Tensor, Tensor]], most: int) -> dict[str, float]:
    from pycocotools.coco import COCO  # type: ignore[import-untyped]
    from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

    truth: dict[str, Any] = {"images": [{"id": n} for n in range(len(images))], "annotations": []}
    truth["categories"] = [{"id": n} for n in range(len(CLASSES))]
    detections: list[dict[str, Any]] = []
    for number, (found, wanted) in enumerate(images):
        for rows, into in ((wanted, truth["annotations"]), (found, detections)):
            for left, top, right, bottom, category, score in rows.double().tolist():
                box = [left, top, right - left, bottom - top]
                entry = {"image_id": number, "category_id": int(category), "bbox": box, "area": box[2] * box[3]}
                entry |= {"iscrowd": int(score == 0), "score": score, "id": len(into) + 1}
                into.append(entry)
    coco, other = COCO(), COCO()
    coco.dataset, other.dataset = truth, {**truth, "annotations": detections}
    coco.createIndex()
    other.createIndex()
    evaluation = COCOeval(coco, other, "bbox")
    evaluation.params.maxDets = [10, 100, most]
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]

    def average(values: Any) -> float:
        return float(values[values > -1].mean()) if (values > -1).any() else -1.0

    parts = {"map": precision[..., 0, -1], "map50": precision[0, ..., 0, -1], "map75": precision[5, ..., 0, -1]}
    parts |= {f"map_{size}": precision[..., 1 + n, -1] for n, size in enumerate(("small", "medium", "large"))}
    return {name: average(values) for name, values in {**parts, "mar": recall[..., 0, -1]}.items()}


def measure(images: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    metric = DetectionMetrics(CLASSES)
    for start in range(0, len(images), 3):
        both = zip(*images[start : start + 3], strict=True)
        found, wanted = (pad_sequence(list(rows), batch_first=True, padding_value=-1) for rows in both)
        metric.update(found, wanted, found)
    return metric.compute()


@pytest.mark.parametrize(
    "block", [*range(3), *(pytest.param(number, marks=pytest.mark.slow) for number in range(3, 10))]
)
def test_precision_is_that_of_pycocotools(block: int) -> None:
    rng = np.random.default_rng(block)
    for case in range(20):  # 200 in all blocks
        images = [
            draw_image(rng, 150 if case == 0 else int(rng.integers(0, 8))) for _ in range(int(rng.integers(1, 5)))
        ]
        ours, theirs = measure(images), measure_with_pycocotools(images, 300)
        for name, value in theirs.items():
            assert (name in ours) == (value >= 0), name
            assert value < 0 or abs(float(ours[name]) - value) <= 1e-6, (name, case)


@pytest.mark.parametrize("count", [150, 400])
def test_all_objects_of_an_image_count(count: int) -> None:
    corner = torch.cartesian_prod(torch.arange(count / 10), torch.arange(10.0)) * 20
    rows = torch.cat([corner, corner + 10, torch.zeros(count, 1), torch.ones(count, 1)], 1)
    found = rows.clone()
    found[:, 5] = torch.linspace(0.9, 0.3, count)
    values = measure([(found, rows)])
    assert (float(values["map"]), float(values["mar"])) == (1, 1)
    assert values["confusion"][0].tolist() == [count, 0, 0, 0]
    values = measure([(found[: count // 2], rows)])  # an option of the user's: what is left out is missed
    assert float(values["mar"]) == 0.5


def test_what_the_images_do_not_have_has_no_value() -> None:
    large = torch.tensor([[0.0, 0, 200, 200, 1, 1]])
    values = measure([(large, large), (torch.zeros(0, 6), torch.zeros(0, 6))])
    assert {name for name, value in values.items() if value.ndim == 0} == {"map", "map50", "map75", "map_large", "mar"}
    assert values["ap"][1].tolist() == [1, 1]
    assert values["ap"][[0, 2]].isnan().all()
    nothing = measure([(large, torch.zeros(0, 6))])
    assert set(nothing) == {"ap", "confusion", "curves"}
    assert nothing["ap"].isnan().all()
    assert nothing["confusion"][3].tolist() == [0, 1, 0, 0]


def test_regions_of_score_0_are_neither_missed_nor_mistaken() -> None:
    objects = torch.tensor([[0.0, 0, 50, 50, 0, 1], [0.0, 0, 300, 300, 1, 0]])
    found = torch.tensor([[0.0, 0, 50, 50, 0, 0.9], [100.0, 100, 150, 150, 1, 0.8], [100.0, 100, 150, 150, 2, 0.8]])
    values = measure([(found[:2], objects)])
    assert float(values["map"]) == 1
    assert values["confusion"].nonzero().tolist() == [[0, 0]]
    assert measure([(found, objects)])["confusion"][3].tolist() == [0, 0, 1, 0]


def test_confusion_pairs_each_object_with_the_nearest_detection() -> None:
    objects = torch.tensor([[0.0, 0, 40, 40, 0, 1], [100.0, 0, 140, 40, 1, 1], [200.0, 0, 240, 40, 2, 1]])
    found = torch.tensor([[0.0, 0, 40, 44, 0, 0.3], [0.0, 0, 40, 40, 2, 0.9], [100.0, 0, 140, 40, 1, 0.5]])
    matrix = count_confusion(found, objects, 3)
    assert matrix.nonzero().tolist() == [[0, 2], [1, 1], [2, 3], [3, 0]]


def test_states_of_ranks_add_up_though_one_has_no_image() -> None:
    """Torchmetrics gathers flat tensors of different lengths, and an empty one of a rank without an image."""
    images = [draw_image(np.random.default_rng(number), 6) for number in range(5)]
    ranks = [DetectionMetrics(CLASSES) for _ in range(3)]
    for rank, (found, wanted) in zip((0, 0, 0, 2, 2), images, strict=True):
        ranks[rank].update(found[None], wanted[None], found[None])
    for name in ("detections", "objects", "counts"):
        states = [torch.cat(getattr(rank, name) or [torch.tensor([])]) for rank in ranks]
        assert {state.ndim for state in states} == {1}
        setattr(ranks[1], name, torch.cat(states))
    ranks[1].confusion = ranks[0].confusion + ranks[2].confusion
    ranks[1].update(*torch.zeros(3, 0, 0, 6))
    torch.testing.assert_close(ranks[1].compute(), measure(images), equal_nan=True)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        measure([draw_image(np.random.default_rng(0), 6)])
    assert (capsys.readouterr().out, caplog.text) == ("", "")
