"""The dense detector with anchors: what it learns, and from what it does not."""

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.heads import RetinaNet, compute_metrics
from tests.heads.test_faster_rcnn import FILL, NAN, OBJECT, SIZE, draw_batch, read

LABELS = Labels(BoxesTarget(("circle", "square")))


def build(backbone: Backbone, width: int = 16) -> RetinaNet:
    torch.manual_seed(1)
    return RetinaNet(backbone, LABELS, width)


def compute_loss(head: RetinaNet, outputs: Tensor, *rows: list[list[float]]) -> Tensor:
    targets = [torch.tensor(each).reshape(-1, 6) for each in rows]
    return head.loss(outputs, head.target_info.collate(targets), SIZE)


def find_outputs(head: RetinaNet, backbone: Backbone, count: int = 1) -> Tensor:
    outputs: Tensor = head(read(backbone, torch.rand(count, 3, *SIZE)))
    return outputs.detach().requires_grad_()


def test_it_learns_the_objects_of_a_few_images(backbone: Backbone) -> None:
    head = build(backbone, 32)
    images, rows = draw_batch(3)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=2e-3)
    for _ in range(50):
        optimizer.zero_grad()
        head.loss(head(read(backbone.train(), images)), rows, SIZE).mean().backward()
        optimizer.step()
    metrics = head.metrics()
    with torch.no_grad():
        head.eval().measure(metrics, head(read(backbone.eval(), images)), rows, SIZE)
    assert compute_metrics(metrics)["map50"] > 0.9


def test_no_object_teaches_background_and_no_label_teaches_nothing(backbone: Backbone) -> None:
    head = build(backbone)
    features = read(backbone, torch.rand(1, 3, *SIZE))
    value = compute_loss(head, head(features), [])
    value.sum().backward()
    assert value > 0
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert compute_loss(head, head(features), [[NAN] * 6]).tolist() == [0]


def test_a_sample_has_the_same_loss_in_any_batch(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = find_outputs(head, backbone, 2)
    rows = [[OBJECT, [70.0, 10, 110, 80, 1, 1]], [OBJECT, [0.0, 0, *SIZE[::-1], 1, 0], [5.0, 5, 5, 9, 0, 1]]]
    whole = compute_loss(head, outputs, *rows)
    for index, own in enumerate(rows):
        torch.testing.assert_close(compute_loss(head, outputs[[index]], [*own, FILL])[0], whole[index])


def test_a_class_that_is_not_known_is_taught_by_objects_alone(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = find_outputs(head, backbone)
    compute_loss(head, outputs, [OBJECT, [0.0, 0, *SIZE[::-1], 1, 0]]).sum().backward()
    assert outputs.grad is not None
    known, unknown = outputs.grad[0, :, :2].T
    assert (known > 0).any()
    assert (unknown[known >= 0] == 0).all()
    assert (unknown[known < 0] > 0).all()


@pytest.mark.parametrize("size", [(64, 64), (70, 101), (33, 257)])
def test_images_of_any_size_have_detections_inside(size: tuple[int, int], backbone: Backbone) -> None:
    head = build(backbone)
    head.score_threshold = 0.0
    outputs = head(read(backbone, torch.rand(2, 3, *size)))
    assert head.loss(outputs, torch.tensor([[[10.0, 10, 30, 30, 0, 1]]] * 2), size).isfinite().all()
    found = head.predict(outputs, size)
    assert found.shape[::2] == (2, 6)
    assert (found[..., :4] >= -1).all()
    assert (found[..., 2] <= size[1]).all()
    assert (found[..., 3] <= size[0]).all()


def test_boxes_and_losses_are_float32_under_autocast(backbone: Backbone) -> None:
    head = build(backbone)
    images, rows = draw_batch(2)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = head(read(backbone, images))
        value, found = head.loss(outputs, rows, SIZE), head.predict(outputs, SIZE)
    assert {outputs.dtype, value.dtype, found.dtype} == {torch.float32}
    torch.testing.assert_close(value, head.loss(outputs, rows, SIZE), rtol=0, atol=0)


def test_the_mirror_image_of_an_image_adds_the_same_boxes_at_the_other_side(backbone: Backbone) -> None:
    head = build(backbone)
    head.score_threshold, head.nms_threshold, head.max_detections = 0.0, 1.0, 50
    outputs = find_outputs(head, backbone)
    both = head.average_mirrored(outputs, outputs, SIZE)
    torch.testing.assert_close(compute_loss(head, both, [OBJECT]), compute_loss(head, outputs, [OBJECT]))
    best = head.predict(outputs, SIZE)[0, 0]
    found = head.predict(both, SIZE)[0, :2, :4]
    wanted = torch.stack([best[:4], torch.stack([SIZE[1] - best[2], best[1], SIZE[1] - best[0], best[3]])])
    assert torch.cdist(wanted, found).amin(1).max() < 1e-2
