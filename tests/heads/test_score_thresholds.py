"""From which score on detections are shown: found on validation, stored with the head, counted in the confusion."""

import pytest
import torch

from candelabra.backbones import Backbone
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.heads import FCOS, Detector
from candelabra.heads.score_thresholds import DEFAULT_SCORE, choose_score_thresholds, select_certain_rows

LABELS = Labels(BoxesTarget(("cat", "dog", "owl")))
SIZE = (64, 64)


@pytest.fixture
def head(backbone: Backbone) -> Detector:
    return FCOS(backbone, LABELS, width=16, layers=1)


def make_rows(*rows: tuple[int, int, float]) -> torch.Tensor:
    """Rows of (place, class, score): boxes of 8 pixels, at each place another one."""
    return torch.tensor([[8.0 * place, 0, 8 * place + 8, 8, number, score] for place, number, score in rows])


def test_the_score_of_the_highest_f1_is_that_of_all_scores_tried_one_by_one(head: Detector) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(60, generator=generator).round(decimals=3)
    right = torch.rand(60, generator=generator) < scores
    metrics = head.metrics()
    for score, hit in zip(scores.tolist(), right.tolist(), strict=True):
        rows = make_rows((0 if hit else 3, 0, score))[None]
        head.compare(metrics, rows, make_rows((0, 0, 1))[None], SIZE)
    found = choose_score_thresholds(metrics["detections"].compute()["curves"])
    f1 = {s: 2 * float((right & (scores >= s)).sum()) / (60 + int((scores >= s).sum())) for s in scores.tolist()}
    assert float(found[0]) == pytest.approx(max(f1, key=lambda score: f1[score]), abs=1e-3)
    assert found[1:].tolist() == [DEFAULT_SCORE] * 2  # nobody labelled any
    head.calibrate(metrics["detections"].compute())
    assert torch.equal(head.state_dict()["thresholds"], found)


def test_rows_below_the_score_of_their_class_are_left_out_and_the_others_keep_their_order() -> None:
    first = make_rows((0, 0, 0.9), (1, 1, 0.8), (2, 0, 0.5), (3, 2, 0.3), (4, 0, 0.2))
    second = torch.cat([make_rows((0, 1, 0.7)), torch.full((4, 6), -1.0)])
    found = select_certain_rows(torch.stack([first, second]), torch.tensor([0.4, 0.75, 0.3]))
    assert torch.equal(found[0], first[:4])
    assert found[1].eq(-1).all()
    assert select_certain_rows(torch.stack([second, second]), torch.tensor([0.1, 0.9, 0.1])).shape == (2, 0, 6)
    assert select_certain_rows(torch.zeros(2, 0, 6), torch.tensor([0.1, 0.9, 0.1])).shape == (2, 0, 6)


def test_the_confusion_counts_what_is_shown_and_average_precision_everything(head: Detector) -> None:
    head.thresholds.copy_(torch.tensor([0.6, 0.5, 0.5]))
    metrics = head.metrics()
    found, wanted = make_rows((0, 0, 0.9), (1, 0, 0.55)), make_rows((0, 0, 1), (1, 0, 1))
    head.compare(metrics, found[None], wanted[None], SIZE)
    values = metrics["detections"].compute()
    assert float(values["map50"]) == 1
    assert values["confusion"][0].tolist() == [1, 0, 0, 1]


def test_errors_are_named(head: Detector) -> None:
    wanted = make_rows((0, 0, 1), (1, 0, 1), (2, 1, 1), (5, 1, 0))
    found = make_rows((0, 0, 0.9), (2, 2, 0.8), (3, 2, 0.7), (4, 2, 0.6), (5, 1, 0.6))
    assert head.describe_errors(found, wanted) == "missed 1 cat; false 2 owl; confused 1 dog for owl"
    assert head.describe_errors(found[:1], wanted[:1]) == ""


def test_weights_of_before_thresholds_were_stored_are_loaded(head: Detector, backbone: Backbone) -> None:
    weights = {key: value for key, value in head.state_dict().items() if key != "thresholds"}
    again = torch.nn.ModuleDict({"boxes": FCOS(backbone, LABELS, width=16, layers=1)})
    again["boxes"].thresholds.fill_(0.7)
    again.load_state_dict({f"boxes.{key}": value for key, value in weights.items()})
    assert again["boxes"].thresholds.tolist() == [DEFAULT_SCORE] * 3
