"""Heads for numbers of images and of pixels, and for grades: scales, losses and metrics against their definitions."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.data.targets import DepthTarget, Labels, OrdinalTarget, ValueTarget
from candelabra.errors import CandelabraError
from candelabra.heads import Depth, Head, Ordinal, Value, compute_metrics
from candelabra.heads.losses import map_gradient_loss
from candelabra.heads.running_scale import RunningScale

NAN, SIZE = float("nan"), (32, 32)
LABELS = Labels(ValueTarget(("age", "size")), DepthTarget(), OrdinalTarget(("low", "mid", "high", "top")))


def observe(head: Head, target: Tensor) -> None:
    head.observe_labels(target, lambda values: values)


def learn(head: Head, backbone: Backbone, target: Tensor, steps: int, rate: float = 0.03) -> Tensor:
    """The predictions for random images after some steps on their features."""
    torch.manual_seed(0)
    with torch.no_grad():
        features = backbone.eval()(torch.rand(len(target), 3, *SIZE))
    final = features.final / features.final.std() * torch.rand(len(target), 1, 1, 1)  # random images look alike
    features = features._replace(final=final)
    optimizer = torch.optim.Adam(head.parameters(), lr=rate)
    for _ in range(steps):
        observe(head, target[head.labelled(target)])
        loss = torch.where(head.labelled(target), head.loss(head(features), target, SIZE), 0.0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return head.predict(head(features), SIZE)


def test_a_running_scale_is_the_mean_and_deviation_of_all_known_labels() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.normal(0, 1, (200, 2)) * [0.5, 300] + [2020, -7]).astype(np.float32)
    labels[rng.random(labels.shape) < 0.3] = NAN
    labels[:50, 1] = NAN  # the first batches tell nothing of it
    scale = RunningScale(2)
    for start in range(0, 200, 16):
        scale.observe(torch.from_numpy(labels[start : start + 16]), lambda values: values)
    np.testing.assert_allclose(scale.mean.numpy(), np.nanmean(labels.astype(np.float64), 0), rtol=1e-5)
    np.testing.assert_allclose(scale.std.numpy(), np.nanstd(labels.astype(np.float64), 0), rtol=2e-3)
    values = torch.from_numpy(labels)
    torch.testing.assert_close(scale.denormalize(scale.normalize(values)), values, equal_nan=True, rtol=1e-5, atol=1e-3)


def test_shares_of_ranks_are_one_batch() -> None:
    labels = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)) * 5 + 100
    whole, part = RunningScale(3), RunningScale(3)
    whole.observe(labels, lambda values: values)
    sent: list[Tensor] = []
    RunningScale(3).observe(labels[8:], lambda values: sent.append(values) or values)  # type: ignore[func-returns-value]
    others = labels[8:]

    def sum_both(values: Tensor) -> Tensor:
        if values.ndim == 2:
            return values + torch.stack([torch.full((3,), 4.0), others.sum(0)])
        return values + (others - labels.mean(0)).square().sum(0)

    part.observe(labels[:8], sum_both)
    torch.testing.assert_close(part.mean, whole.mean)
    torch.testing.assert_close(part.variance, whole.variance)


@pytest.mark.parametrize("loss", ["huber", "l1", "l2", "gaussian_nll"])
def test_values_come_in_the_unit_of_their_labels_and_missing_ones_do_not_matter(loss: str, backbone: Backbone) -> None:
    target = torch.tensor([[2020.5, 3e-4], [NAN, NAN], [2019.0, NAN], [2022.0, 9e-4], [2021.0, 1e-4]])
    head = Value(backbone, LABELS, loss=loss)  # type: ignore[arg-type]
    observe(head, target)
    deviations = torch.tensor([(1.0 + 0.75) ** 0.5, 3.4e-4])
    outputs = head.scale.normalize(target).nan_to_num(7.0)
    assert outputs[~target.isnan()].abs().max() < 2
    if loss == "gaussian_nll":
        outputs = torch.cat([outputs, torch.full_like(outputs, -100.0)], 1)  # as certain as may be
    found = head.predict(outputs, SIZE).reshape(5, 2, -1)
    known = ~target.isnan()
    torch.testing.assert_close(found[..., 0][known], target[known], rtol=1e-6, atol=1e-7)
    perfect, off = head.loss(outputs, target, SIZE), head.loss(outputs + 0.5, target, SIZE)
    assert (off > perfect)[[0, 2, 3, 4]].all()
    torch.testing.assert_close(off[[0, 3]], off[2].expand(2), rtol=1e-2, atol=1e-2)  # a mean over what is known
    if loss == "gaussian_nll":
        assert (found[..., 1] < 0.01 * deviations).all()
        assert head.target_info.prediction_header() == ["age", "age_std", "size", "size_std"]


def test_gaussian_nll_finds_the_deviation_of_noise(backbone: Backbone) -> None:
    torch.manual_seed(0)
    head = Value(backbone, Labels(ValueTarget()), loss="gaussian_nll")
    target = torch.cat([torch.full((200, 1), 50.0) + 3 * torch.randn(200, 1), 80 + 12 * torch.randn(200, 1)])
    observe(head, target)
    outputs = torch.zeros(2, 2, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(outputs.repeat_interleave(200, 0), target, SIZE).mean().backward()
        optimizer.step()
    found = head.predict(outputs.detach(), SIZE)[:, 0]
    torch.testing.assert_close(found, torch.tensor([[50.0, 3.0], [80.0, 12.0]]), rtol=0.1, atol=1.0)


def test_metrics_of_values_are_those_of_scikit_learn(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.normal(0, 1, (60, 2)) * [1, 5] + [1e4, 2]).astype(np.float32)
    found = (labels + rng.normal(0, 0.5, labels.shape)).astype(np.float32)
    labels[rng.random(labels.shape) < 0.2] = NAN
    labels[:3] = NAN
    head = Value(backbone, LABELS)
    head.scale.mean.zero_()
    metrics = head.metrics()
    for start in range(0, 60, 7):
        head.measure(
            metrics, torch.from_numpy(found[start : start + 7]), torch.from_numpy(labels[start : start + 7]), SIZE
        )
    values = compute_metrics(metrics)
    r2 = []
    for column, name in enumerate(("age", "size")):
        known = ~np.isnan(labels[:, column])
        pair = labels[known, column].astype(np.float64), found[known, column].astype(np.float64)
        r2.append(r2_score(*pair))
        assert float(values[f"{name}_mae"]) == pytest.approx(mean_absolute_error(*pair), rel=1e-4)
        assert float(values[f"{name}_rmse"]) == pytest.approx(root_mean_squared_error(*pair), rel=1e-4)
        assert float(values[f"{name}_r2"]) == pytest.approx(r2[-1], rel=1e-4)
    assert float(values["r2"]) == pytest.approx(np.mean(r2), rel=1e-4)
    assert head.lower_is_better == {"age_mae", "age_rmse", "size_mae", "size_rmse"}
    assert len(values["pairs"]) == int((~np.isnan(labels)).any(1).sum())


def test_equal_labels_have_no_r2_and_no_score(backbone: Backbone) -> None:
    head = Value(backbone, Labels(ValueTarget()))
    metrics = head.metrics()
    head.measure(metrics, torch.rand(3, 1), torch.full((3, 1), 7.0), SIZE)
    found = {key: float(value) for key, value in compute_metrics(metrics).items() if value.numel() == 1}
    assert found["r2"] != found["r2"]
    assert head.score(found) is None


def test_logits_of_grades_never_contradict_each_other_and_grades_are_learned(backbone: Backbone) -> None:
    target = torch.tensor([0, 3, -1, 1, 2])
    head = Ordinal(backbone, LABELS)
    with torch.no_grad():
        head.gaps.copy_(torch.tensor([-20.0, 5.0]))
        assert (head(backbone(torch.rand(2, 3, *SIZE))).diff(dim=1) <= 0).all()
        head.gaps.copy_(torch.tensor([0.5, 0.5]))
    found = learn(head, backbone, target, 200)
    torch.testing.assert_close(found.sum(1), torch.ones(5))
    assert (found >= 0).all()
    results = [LABELS[OrdinalTarget].to_result(each).index for each in found]
    assert [results[0], results[1], results[3], results[4]] == [0, 3, 1, 2]


def test_kappa_is_that_of_scikit_learn_and_grades_are_what_people_are_shown(backbone: Backbone) -> None:
    torch.manual_seed(0)
    head = Ordinal(backbone, LABELS)
    target = torch.randint(-1, 4, (80,))
    height = target[:, None] + 0.8 * torch.randn(80, 1)
    outputs = height - torch.tensor([0.5, 1.5, 2.5])
    metrics = head.metrics()
    head.measure(metrics, outputs, target, SIZE)
    values, known = compute_metrics(metrics), target >= 0
    shown = [LABELS[OrdinalTarget].to_result(each).index for each in head.predict(outputs, SIZE)[known]]
    kappa = cohen_kappa_score(target[known].numpy(), shown, weights="quadratic")
    assert float(values["kappa"]) == pytest.approx(kappa, abs=1e-5)
    assert float(values["mae"]) == pytest.approx(float((torch.tensor(shown) - target[known]).abs().float().mean()))
    assert int(values["confusion"].sum()) == int(known.sum())


@pytest.mark.parametrize(
    "options", [{}, {"loss": "l1"}, {"loss": "l2", "gradient_weight": 0.5}, {"log": False, "loss": "l1"}], ids=str
)
def test_depth_comes_in_the_unit_of_its_labels(options: dict[str, object], backbone: Backbone) -> None:
    near = torch.linspace(800, 2000, 32).expand(32, 32).clone()
    target = torch.stack([near, torch.full_like(near, NAN), 2800 - near, near.T])
    target[0, :8] = NAN
    if not options.get("log", True):
        target = target - 1400
    head, known = Depth(backbone, LABELS, **options), ~target.isnan()  # type: ignore[arg-type]
    observe(head, target)
    space = target.log() if options.get("log", True) else target
    outputs = head.scale.normalize(space[:, None])[:, 0].nan_to_num(7.0)
    assert outputs[known].abs().max() < 3
    torch.testing.assert_close(head.predict(outputs, SIZE)[known], target[known], rtol=1e-4, atol=1e-2)
    assert head.loss(outputs, target, SIZE).abs().max() < 1e-5
    untrained = head.predict(0 * outputs, SIZE)  # the mean
    assert (untrained - target)[known].abs().max() < 900


def test_metrics_of_depth_are_their_definitions(backbone: Backbone) -> None:
    target = torch.tensor([[[1.0, 2.0], [4.0, NAN]]])
    found = torch.tensor([[[1.2, 1.5], [4.0, 9.0]]])
    head = Depth(backbone, LABELS)
    metrics = head.metrics()
    head.compare(metrics, found, target, (2, 2))
    tables = compute_metrics(metrics)
    assert tables.pop("pairs").tolist() == [[[1.0, pytest.approx(1.2)]], [[2.0, 1.5]], [[4.0, 4.0]]]
    values = {key: float(value) for key, value in tables.items()}
    assert values["delta1"] == pytest.approx(2 / 3)
    assert values["abs_rel"] == pytest.approx((0.2 + 0.25 + 0) / 3)
    assert values["rmse"] == pytest.approx(((0.04 + 0.25) / 3) ** 0.5)
    head.compare(metrics, torch.full_like(found, NAN), target, (2, 2))  # the model saw nothing of it
    assert float(compute_metrics(metrics)["delta1"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e5])
def test_depth_is_learned_and_measured_alike_in_any_unit(unit: float, backbone: Backbone) -> None:
    target = unit * torch.tensor([[[1.0, 2.0], [4.0, 8.0]]])
    head = Depth(backbone, LABELS)
    observe(head, target)
    outputs = head.scale.normalize(1.1 * target.log()[:, None] - 0.1 * target[:, :1, :1].log()[:, None])[:, 0]
    assert float(head.loss(outputs, target, (2, 2))) == pytest.approx(
        0.01 * math.log(2) ** 2 * (3.5 - 0.5 * 2.25), rel=1e-2
    )
    metrics = head.metrics()
    head.compare(metrics, 1.2 * target, target, (2, 2))
    values = compute_metrics(metrics)
    assert float(values["delta1"]) == 1
    assert float(values["abs_rel"]) == pytest.approx(0.2, abs=1e-4)
    assert float(values["rmse"]) == pytest.approx(0.2 * unit * (85 / 4) ** 0.5, rel=1e-4)


def test_depth_without_a_logarithm_is_unknown_and_the_log_says_so(
    backbone: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    target = torch.tensor([[[1.0, 2.0], [4.0, NAN]], [[0.0, -1.0], [0.0, NAN]], [[1.0, 0.0], [4.0, NAN]]])
    head, plain = Depth(backbone, LABELS), Depth(backbone, LABELS, log=False, loss="l1")
    assert plain.labelled(target).tolist() == [True, True, True]
    assert not caplog.messages
    assert head.labelled(target).tolist() == [True, False, True]
    head.labelled(target)
    assert [message.split(". ")[0] for message in caplog.messages] == [
        "Depth of 0 and below is unknown with log=true: 44.4 % of the labelled pixels of a batch"
    ]
    observe(head, target)
    unknown = torch.where(target > 0, target, NAN)
    torch.testing.assert_close(head.loss(0 * target, target, (2, 2)), head.loss(0 * target, unknown, (2, 2)))
    measured = []
    for truth in (target, unknown):
        metrics = head.metrics()
        head.compare(metrics, torch.full_like(target, 2), truth, (2, 2))
        measured.append(compute_metrics(metrics))
    torch.testing.assert_close(*measured, equal_nan=True)


def test_an_error_of_scale_is_forgiven_as_far_as_is_asked(backbone: Backbone) -> None:
    target = torch.rand(1, 8, 8) + 1
    for weight, share in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        head = Depth(backbone, LABELS, variance_weight=weight)
        value = head.loss(target.log() + 0.3, target, (8, 8))
        assert float(value) == pytest.approx(0.09 * share, abs=1e-5)


def test_the_gradient_loss_sees_edges_and_no_offset() -> None:
    known = torch.ones(2, 16, 16, dtype=torch.bool)
    errors = torch.full((2, 16, 16), 3.0)
    errors[1, :, 8:] = 5.0
    values = map_gradient_loss(errors, known)
    assert float(values[0]) == 0
    assert float(values[1]) > 0
    known[1, :, 7] = False  # the edge lies between unknown pixels at the finest scale alone
    assert 0 < float(map_gradient_loss(errors, known)[1]) < float(values[1])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda backbone: Value(backbone, LABELS, loss="mse"), "loss=mse is not known; allowed are huber, l1"),
        (lambda backbone: Depth(backbone, LABELS, log=False), "loss=silog is not allowed; allowed are l1 and l2"),
        (lambda backbone: Depth(backbone, LABELS, variance_weight=2), "variance_weight=2 must be 0 to 1"),
        (lambda backbone: Ordinal(backbone, Labels(OrdinalTarget(("one",)))), "at least two"),
        (lambda backbone: Value(backbone, Labels(DepthTarget())), "A value head needs data that label 'value'"),
    ],
)
def test_wrong_options_are_refused(build: Callable[[Backbone], Head], words: str, backbone: Backbone) -> None:
    with pytest.raises(CandelabraError, match=words):
        build(backbone)
