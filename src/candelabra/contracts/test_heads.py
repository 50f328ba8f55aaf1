"""Contract of a head: what it learns from, what it measures, and what it decodes."""

import json
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.contracts.examples import SIZE, make_value_batch
from candelabra.contracts.options import list_options, list_targets
from candelabra.data.targets import Labels, Target
from candelabra.data.targets.object_rows import CLASS_COLUMN
from candelabra.data.transforms.resize import make_resize
from candelabra.export.comparison import compare_answers
from candelabra.export.resizing import view_pictures
from candelabra.heads import DECODING_OPTIONS, Detector, Head, compute_metrics, list_metric_names

every_head = pytest.mark.parametrize("build", list_options("head").values(), ids=list_options("head"))
BuildHead = Callable[[Backbone, Labels], Head]


def _build(build: BuildHead, backbone: Backbone) -> tuple[Head, Target, Tensor]:
    """A head, its target, and two labelled values around one that is not."""
    kind = list_targets().get(build.func.target)  # type: ignore[attr-defined]
    if kind is None:  # it learns from images, which no data set labels
        head = build(backbone, Labels())
        return head, *make_value_batch(type(head.target_info))
    target, batch = make_value_batch(kind)
    return build(backbone, Labels(target)), target, batch


@every_head
def test_an_unlabelled_sample_neither_teaches_nor_counts(build: BuildHead, small_backbone: Backbone) -> None:
    head, target, batch = _build(build, small_backbone)
    assert head.target_info == target
    features = small_backbone(torch.rand(3, 3, *SIZE))
    outputs = head(features)
    outputs.retain_grad()
    assert (outputs.dtype, len(outputs)) == (torch.float32, 3)
    assert head.labelled(batch).tolist() == [True, False, True]
    values = head.loss(outputs, batch, SIZE)
    assert values.shape == (3,)
    assert values.isfinite().all()
    torch.testing.assert_close(head.loss(outputs[[0, 2]], batch[[0, 2]], SIZE), values[[0, 2]])
    torch.where(head.labelled(batch), values, 0.0).sum().backward()
    assert outputs.grad[1].abs().sum() == 0
    assert outputs.grad[[0, 2]].abs().flatten(1).sum(1).min() > 0
    assert [name for name, parameter in head.named_parameters() if parameter.grad is None] == []


@every_head
def test_metrics_count_labelled_samples_and_score_is_a_share(build: BuildHead, small_backbone: Backbone) -> None:
    head, _, batch = _build(build, small_backbone)
    with torch.no_grad():
        outputs = head.eval()(small_backbone.eval()(torch.rand(3, 3, *SIZE)))
    alone, mixed = head.metrics(), head.metrics()
    names = {*list_metric_names(alone)}
    assert head.main_metric in names
    assert head.lower_is_better | head.counts | head.tables | {*head.metric_notes} <= names
    head.measure(alone, outputs[[0, 2]], batch[[0, 2]], SIZE)
    head.measure(mixed, outputs, batch, SIZE)
    found = compute_metrics(alone)
    torch.testing.assert_close(found, compute_metrics(mixed), equal_nan=True)
    assert {name for name, value in found.items() if value.numel() > 1} == head.tables
    assert names <= set(found)
    score = head.score({name: float(value) for name, value in found.items() if value.numel() == 1})
    assert score is None or 0 <= score <= 1


@every_head
def test_predictions_are_drawn_and_written(build: BuildHead, small_backbone: Backbone) -> None:
    head, _, batch = _build(build, small_backbone)
    target = head.predicted_target
    with torch.no_grad():
        found = head.eval().predict(head(small_backbone.eval()(torch.rand(3, 3, *SIZE))), SIZE)
    assert len(found) == 3
    rows = found.is_floating_point() and not batch.is_floating_point()  # of objects, where labels are a map of numbers
    if batch.shape[-2:] == SIZE and not rows and target == head.target_info:
        assert found.shape == batch.shape
    for value in found:
        assert len(target.prediction_row(value)) == len(target.prediction_header())
        assert target.draw(Image.new("RGB", SIZE[::-1]), value).size == SIZE[::-1]
        assert isinstance(target.caption(value), str)


@every_head
def test_predictions_of_a_placed_target_measure_as_their_outputs(build: BuildHead, small_backbone: Backbone) -> None:
    head, target, batch = _build(build, small_backbone)
    if not target.placed:
        pytest.skip("this target has no place")
    with torch.no_grad():
        outputs = head.eval()(small_backbone.eval()(torch.rand(3, 3, *SIZE)))
    rows = head.labelled(batch)
    measured, compared = head.metrics(), head.metrics()
    head.measure(measured, outputs, batch, SIZE)
    head.compare(compared, head.predict(outputs, SIZE)[rows], batch[rows], SIZE)
    torch.testing.assert_close(compute_metrics(measured), compute_metrics(compared), rtol=0, atol=0, equal_nan=True)


@every_head
def test_an_exported_head_answers_in_pixels_of_pictures(build: BuildHead, small_backbone: Backbone) -> None:
    """`decode_pictures` gives what `predict` and `Target.to_original` give, for a batch at once."""
    head, _, _ = _build(build, small_backbone)
    head.eval()
    if type(head).decode_pictures is Head.decode_pictures:
        pytest.skip("this head cannot be exported")
    picture = (SIZE[0] + 13, SIZE[1] + 40)
    view = view_pictures(torch.zeros(2, *picture, 3, dtype=torch.uint8), SIZE, "letterbox")
    with torch.no_grad():
        outputs = head(small_backbone.eval()(torch.rand(2, 3, *SIZE)))
        found, predicted = head.decode_pictures(outputs, view), head.predict(outputs, SIZE)
    kind = head.describe_answer()["kind"]
    assert set(found) <= {"", "prepared"}
    geometry = make_resize("letterbox", SIZE).view(picture)
    wanted = [head.predicted_target.to_original(each, geometry).numpy() for each in predicted]
    answers = [each.numpy() for each in found[""]]
    if kind in ("objects", "instances"):  # filled up with rows of -1
        wanted, answers = ([rows[rows[:, CLASS_COLUMN] >= 0] for rows in each] for each in (wanted, answers))
    assert [each for each in compare_answers(head.target, kind, wanted, answers) if not each.passes] == []


@every_head
def test_an_exported_head_restores_all_that_its_description_says(build: BuildHead, small_backbone: Backbone) -> None:
    """An exported model decodes by model.json: by what the head had learnt, and by limits that the export fixed."""
    (trained, *_), (fresh, *_) = (_build(build, small_backbone) for _ in range(2))
    for buffer in trained.buffers():
        buffer.add_(0.25 if buffer.is_floating_point() else 1)
    for module in trained.modules():
        for number, key in enumerate(DECODING_OPTIONS if isinstance(module, Detector) else (), 1):
            setattr(module, key, number / 4 if isinstance(getattr(module, key), float) else 7)
    about = json.loads(json.dumps(trained.describe_answer()))
    fresh.restore_answer(about)
    assert fresh.describe_answer() == about
