"""Heads for normals and flow: units, definitions of metrics, mirror images, explanations."""

import math

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import FlowTarget, Labels, NormalsTarget
from candelabra.errors import CandelabraError
from candelabra.heads import Flow, Normals, compute_metrics
from candelabra.heads.vector_map import VectorMap
from tests.explain.models import extract

LABELS = Labels(NormalsTarget(), FlowTarget())
NAN = float("nan")


def turn(degrees: float) -> list[float]:
    """A normal that is turned away from the viewer."""
    return [math.sin(math.radians(degrees)), 0.0, math.cos(math.radians(degrees))]


def test_angles_are_measured_in_degrees(backbone: Backbone) -> None:
    head = Normals(backbone, LABELS)
    found = torch.tensor([turn(0), turn(10), turn(25), turn(70), turn(0)]).T[None, :, None]
    target = torch.tensor([turn(0), turn(0), turn(0), turn(0), [NAN] * 3]).T[None, :, None]
    metrics = head.metrics()
    head.compare(metrics, found, target, (1, 5))
    values = {name: float(value) for name, value in compute_metrics(metrics).items()}
    assert values["angle"] == pytest.approx((0 + 10 + 25 + 70) / 4, abs=1e-3)
    assert [values[f"within_{most}"] for most in (11, 22, 30)] == [0.5, 0.5, 0.75]
    assert head.score(values) == pytest.approx(1 - values["angle"] / 90)
    loss = head.loss(5 * found, target, (1, 5))
    assert float(loss) == pytest.approx(sum(1 - math.cos(math.radians(each)) for each in (0, 10, 25, 70)) / 4, abs=1e-5)


def test_end_points_are_measured_in_pixels(backbone: Backbone) -> None:
    head = Flow(backbone, LABELS)
    target = torch.tensor([[3.0, 4.0], [100.0, 0.0], [0.0, 0.0], [NAN, NAN]]).T[None, :, None]
    found = torch.tensor([[0.0, 0.0], [104.0, 0.0], [0.0, 1.0], [9.0, 9.0]]).T[None, :, None]
    metrics = head.metrics()
    head.compare(metrics, found, target, (1, 4))
    values = {name: float(value) for name, value in compute_metrics(metrics).items()}
    assert values["epe"] == pytest.approx((5 + 4 + 1) / 3)
    assert values["outliers"] == pytest.approx(1 / 3)  # 4 of 100 pixels are below 5 %


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_flow_comes_in_pixels_whatever_its_scale(loss: str, backbone: Backbone) -> None:
    head = Flow(backbone, LABELS, loss=loss)  # type: ignore[arg-type]
    target = torch.randn(3, 2, 8, 8) * torch.tensor([40.0, 2.0])[:, None, None] + 7
    target[0, :, :2] = NAN
    head.observe_labels(target, lambda each: each)
    outputs = head.scale.normalize(target).nan_to_num(5.0)
    known = ~target.isnan()
    torch.testing.assert_close(head.predict(outputs, (8, 8))[known], target[known], rtol=1e-4, atol=1e-3)
    assert head.loss(outputs, target, (8, 8)).abs().max() < 2e-3
    outputs.requires_grad_()
    head.loss(outputs, target, (8, 8)).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("kind", [Normals, Flow])
def test_a_mirror_image_that_says_the_same_changes_nothing(kind: type[Normals | Flow], backbone: Backbone) -> None:
    head = kind(backbone, LABELS)
    if isinstance(head, Flow):
        head.observe_labels(torch.randn(2, 2, 8, 8) * 3 + 5, lambda each: each)
    outputs = torch.randn(2, head.target_info.channels, 8, 8)
    found = head.predict(outputs, (8, 8))
    signs = torch.tensor([-1.0, *[1.0] * (head.target_info.channels - 1)])[:, None, None]
    mirrored = found.flip(-1) * signs
    mirrored = head.scale.normalize(mirrored) if isinstance(head, Flow) else mirrored
    torch.testing.assert_close(head.predict(head.average_mirrored(outputs, mirrored, (8, 8)), (8, 8)), found)


@pytest.mark.parametrize("kind", [Normals, Flow])
def test_maps_of_vectors_are_explained(kind: type[Normals | Flow], backbone: Timm) -> None:
    head = kind(backbone, LABELS).eval()
    _, features = extract(backbone)
    assert isinstance(head, VectorMap)
    with torch.no_grad():
        answer = head.find_answer(features)
        assert float(answer.score(features)) == pytest.approx(float(head(features).norm(dim=1).mean()), rel=1e-4)
        assert float(answer.confidence(features)) == pytest.approx(1)
    with pytest.raises(CandelabraError, match="target=sky is not known"):
        head.find_answer(features, "sky")


def test_another_loss_is_refused(backbone: Backbone) -> None:
    with pytest.raises(CandelabraError, match="loss=huber is not known; allowed are l1 and l2"):
        Flow(backbone, LABELS, loss="huber")  # type: ignore[arg-type]
