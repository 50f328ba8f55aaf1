"""Calibration of probabilities: its error is that of torchmetrics, and the temperature mends what training spoilt."""

import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from candelabra.backbones import Backbone
from candelabra.data.targets import Labels, LabelTarget
from candelabra.heads import Label
from candelabra.heads.calibration import TEMPERATURES, Calibration, choose_temperature

SIZE = (32, 32)


def draw_logits(count: int, overconfident: float, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax at temperature `overconfident` is the true distribution of the drawn classes."""
    torch.manual_seed(0)
    true = 1.5 * torch.randn(count, classes)
    return overconfident * true, torch.multinomial(true.softmax(1), 1)[:, 0]


def test_the_error_is_that_of_torchmetrics_over_several_batches() -> None:
    logits, target = draw_logits(500, 3.0)
    ours, theirs = Calibration(multilabel=False), MulticlassCalibrationError(4, n_bins=15)
    for part in (slice(0, 200), slice(200, 500)):
        ours.update(logits[part], logits[part].softmax(1), target[part])
        theirs.update(logits[part].softmax(1), target[part])
    torch.testing.assert_close(ours.compute()["ece"], theirs.compute())


def test_the_error_of_several_labels_is_that_of_torchmetrics() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(300, 5)
    target = (torch.rand(300, 5) < (logits / 2).sigmoid()).long()
    ours, theirs = Calibration(multilabel=True), BinaryCalibrationError(n_bins=15)
    ours.update(logits, logits.sigmoid(), target)
    # That of torchmetrics takes the probability of class 1 as the confidence.
    theirs.update(logits.sigmoid().flatten(), target.flatten())
    torch.testing.assert_close(ours.compute()["ece"], theirs.compute())
    assert choose_temperature(ours.compute()["temperatures"]) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("wrong", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_factor(wrong: float) -> None:
    logits, target = draw_logits(4000, wrong)
    metric = Calibration(multilabel=False)
    metric.update(logits, logits.softmax(1), target)
    assert choose_temperature(metric.compute()["temperatures"]) == pytest.approx(wrong, rel=0.1)


def test_few_samples_without_a_mistake_make_no_answer_certain() -> None:
    logits = 8 * torch.eye(3)
    metric = Calibration(multilabel=False)
    metric.update(logits, logits.softmax(1), torch.arange(3))
    chosen = choose_temperature(metric.compute()["temperatures"])
    assert (logits / chosen).softmax(1).max() < 0.95
    assert chosen > TEMPERATURES[0]


@pytest.mark.parametrize("multilabel", [False, True])
def test_a_head_predicts_at_the_temperature_of_its_validation(multilabel: bool, backbone: Backbone) -> None:
    labels = Labels(LabelTarget(tuple("abcd"), multilabel))
    head = Label(backbone, labels)
    logits, classes = draw_logits(2000, 4.0)
    target = (torch.rand(2000, 4) < (logits / 4).sigmoid()).float() if multilabel else classes
    before = measure_error(head, logits, target)
    assert measure_error(head, logits, target) < 0.6 * before
    plain = head.predict(logits, SIZE)
    assert not torch.allclose(plain, logits.sigmoid() if multilabel else logits.softmax(1), atol=0.05)
    averaged = head.predict(head.average_mirrored(logits, logits.flip(0), SIZE), SIZE)
    torch.testing.assert_close(averaged, (plain + plain.flip(0)) / 2, atol=1e-5, rtol=1e-4)
    other = Label(backbone, labels)
    other.restore_answer(head.describe_answer())
    torch.testing.assert_close(other.predict(logits, SIZE), plain, atol=1e-5, rtol=1e-5)


def measure_error(head: Label, logits: torch.Tensor, target: torch.Tensor) -> float:
    """The `ece` of a validation, after which the head is calibrated by it."""
    metrics = {"calibration": head.metrics()["calibration"]}
    head.measure(metrics, logits, target, SIZE)
    values = metrics["calibration"].compute()
    head.calibrate(values)
    return float(values["ece"])


def test_weights_of_before_have_no_temperature(backbone: Backbone) -> None:
    head = Label(backbone, Labels(LabelTarget(tuple("abcd"))))
    weights = {key: value for key, value in head.state_dict().items() if key != "temperature"}
    head.temperature.fill_(3)
    head.load_state_dict(weights)
    assert float(head.temperature) == 1
