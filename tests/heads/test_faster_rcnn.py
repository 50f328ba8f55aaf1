"""The detector of two stages: what it learns, and from what it does not."""

from functools import partial

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Backbone, Timm
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.heads import FasterRCNN, compute_metrics
from candelabra.heads.feature_pyramid import PYRAMID_STRIDES
from candelabra.heads.region_layers import make_anchors
from candelabra.types import Features

SIZE = (96, 120)
NAN = float("nan")
OBJECT = [20.0, 24, 60, 64, 0, 1]
FILL = [-1.0] * 6


def build(backbone: Backbone, **options: float) -> FasterRCNN:
    torch.manual_seed(1)
    small = partial(FasterRCNN, width=16, hidden=32, proposals=50)
    return small(backbone, Labels(BoxesTarget(("circle", "square"))), **options)


def draw_batch(count: int) -> tuple[Tensor, Tensor]:
    """Images of a bright and a dark rectangle each, and their rows."""
    generator = torch.Generator().manual_seed(0)
    images, rows = torch.full((count, 3, *SIZE), 0.5), torch.zeros(count, 2, 6)
    for index in range(count):
        for number in (0, 1):
            left, top = torch.randint(4, 18, (2,), generator=generator).tolist()
            left += 60 * number
            width, height = torch.randint(24, 38, (2,), generator=generator).tolist()
            images[index, :, top : top + height, left : left + width] = float(number)
            rows[index, number] = torch.tensor([left, top, left + width, top + height, number, 1])
    return images, rows


def random_outputs(head: FasterRCNN, count: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    """Outputs of an untrained head."""
    outputs: Tensor = head(read(head_backbone(), torch.rand(count, 3, *size)))
    return outputs.detach().requires_grad_()


def head_backbone() -> Timm:
    torch.manual_seed(0)
    return Timm("test_resnet", weights="none").eval()


def read(backbone: Backbone, images: Tensor) -> Features:
    features: Features = backbone(images)
    return features


def list_class_gradients(head: FasterRCNN, outputs: Tensor) -> Tensor:
    """(A, 2) gradients of the logits of both classes at each anchor."""
    assert outputs.grad is not None
    return outputs.grad[0, :, head.width : head.width + 12].reshape(-1, 2)


def compute_loss(head: FasterRCNN, outputs: Tensor, *rows: list[list[float]]) -> Tensor:
    targets = [torch.tensor(each).reshape(-1, 6) for each in rows]
    return head.loss(outputs, head.target_info.collate(targets), SIZE)


def test_it_learns_the_objects_of_a_few_images(backbone: Backbone) -> None:
    head = build(backbone, width=32, hidden=64)
    images, rows = draw_batch(3)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=2e-3)
    for _ in range(35):
        optimizer.zero_grad()
        head.loss(head(read(backbone.train(), images)), rows, SIZE).mean().backward()
        optimizer.step()
    metrics = head.metrics()
    with torch.no_grad():
        head.eval().measure(metrics, head(read(backbone, images)), rows, SIZE)
    values = compute_metrics(metrics)
    assert values["map50"] > 0.9


def test_no_object_teaches_background_and_no_label_teaches_nothing(backbone: Backbone) -> None:
    head = build(backbone)
    features = read(backbone, torch.rand(1, 3, *SIZE))
    outputs = head(features)
    value = compute_loss(head, outputs, [])
    value.sum().backward()
    assert value > 0
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert head.roi_heads.box_predictor.cls_score.weight.grad.abs().sum() > 0
    assert compute_loss(head, head(features), [[NAN] * 6]).tolist() == [0]


def test_a_rank_without_a_label_gives_each_parameter_a_gradient(backbone: Backbone) -> None:
    head = build(backbone)
    head(read(backbone, torch.rand(1, 3, *SIZE)))[:0].sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or p.grad.any()] == []


def test_a_sample_has_the_same_loss_in_any_batch_and_mode(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = random_outputs(head, 3)
    rows = [[OBJECT, [70.0, 10, 110, 80, 1, 1]], [], [OBJECT, [0.0, 0, *SIZE[::-1], 1, 0]]]
    state = torch.get_rng_state()
    whole = compute_loss(head.train(), outputs, *rows)
    torch.testing.assert_close(compute_loss(head.eval(), outputs, *rows), whole, rtol=0, atol=0)
    for index, own in enumerate(rows):
        alone = compute_loss(head, outputs[index : index + 1], [*own, FILL])
        torch.testing.assert_close(alone, whole[index : index + 1])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_region_of_score_0_is_no_background(backbone: Backbone) -> None:
    """In neither stage, where it covers all for all classes; of one class, the background teaches the other one."""
    head = build(backbone)
    outputs = random_outputs(head)
    everywhere = [[0.0, 0, SIZE[1], SIZE[0], number, 0] for number in (0, 1)]
    assert compute_loss(head, outputs, everywhere).tolist() == [0]
    compute_loss(head, outputs, everywhere[1:]).sum().backward()
    first = list_class_gradients(head, outputs)
    assert (first[:, 0] > 0).any()
    assert not first[:, 1].any()
    second = head.roi_heads.box_predictor.cls_score.bias.grad
    assert second[1] > 0
    assert second[2] == 0


def test_a_small_region_of_score_0_spares_what_it_covers_alone(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = random_outputs(head)
    compute_loss(head, outputs, [[0.0, 0, 60, 60, number, 0] for number in (0, 1)]).sum().backward()
    anchors = make_anchors(head.rpn.anchor_generator, SIZE, outputs.device)
    taught = list_class_gradients(head, outputs)[:, 0] != 0
    visible = anchors[:, 2:].minimum(torch.tensor(SIZE[::-1])) - anchors[:, :2].clamp(min=0)
    inner = (anchors[:, 2:].clamp(max=60) - anchors[:, :2].clamp(min=0)).clamp(min=0).prod(1)
    assert torch.equal(taught, inner <= visible.prod(1) / 2)


def test_an_object_teaches_classes_that_are_not_known_that_it_is_none_of_them(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = random_outputs(head)
    compute_loss(head, outputs, [OBJECT, [0.0, 0, *SIZE[::-1], 1, 0]]).sum().backward()
    object_logits, other_logits = list_class_gradients(head, outputs).T
    assert (object_logits < 0).any()
    assert (other_logits[object_logits < 0] > 0).all()
    assert (other_logits[object_logits >= 0] == 0).all()


@pytest.mark.parametrize(
    "row",
    [
        [30.0, 30, 30, 50, 0, 1],
        [50.0, 50, 30, 30, 1, 1],
        [200.0, 200, 240, 240, 0, 1],
        [-50.0, -50, -10, -10, 0, 1],
        [40.0, 40, 40, 40, 1, 0],
        FILL,
    ],
)
def test_a_degenerate_row_changes_nothing(row: list[float], backbone: Backbone) -> None:
    head = build(backbone)
    outputs = random_outputs(head)
    found, wanted = compute_loss(head, outputs, [OBJECT, row]), compute_loss(head, outputs, [OBJECT])
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_a_tiny_object_has_a_finite_loss_and_gradient(backbone: Backbone) -> None:
    head = build(backbone)
    outputs = random_outputs(head)
    value = compute_loss(head, outputs, [[40.0, 40, 40.01, 40.01, 1, 1]])
    value.sum().backward()
    assert value.isfinite().all()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
@pytest.mark.parametrize("size", [(96, 120), (70, 101), (33, 257)])
def test_images_of_any_size_are_unpacked_as_they_were_packed(name: str, size: tuple[int, int]) -> None:
    flexible = {"dynamic_img_size": True, "dynamic_img_pad": True} if name == "test_vit" else None
    backbone = Timm(name, weights="none", options=flexible)
    head = build(backbone)
    features = read(backbone.eval(), torch.rand(2, 3, *size))
    assert features.size == size
    outputs = head(features)
    levels = head.pyramid(features)
    assert outputs.shape[1] == sum(level.shape[2] * level.shape[3] for level in levels)
    rows = torch.tensor([[10.0, 10, 30, 30, 0, 1]]).expand(2, 1, 6)
    assert head.loss(outputs, rows, size).isfinite().all()
    found = head.predict(outputs, size)
    boxes = found[found[..., 4] >= 0]
    assert len(boxes)
    assert (boxes[:, :4] >= 0).all()
    assert (boxes[:, 2] <= size[1]).all()
    assert (boxes[:, 3] <= size[0]).all()


def test_detections_are_sorted_limited_and_above_the_threshold(backbone: Backbone) -> None:
    head = build(backbone, max_detections=5, score_threshold=0.2)
    found = head.predict(random_outputs(head, 2), SIZE)
    assert found.shape == (2, 5, 6)
    assert (found[:, :-1, 5] >= found[:, 1:, 5]).all()
    assert (found[found[..., 4] >= 0][:, 5] >= 0.2).all()
    head.score_threshold = 1.0
    assert head.predict(random_outputs(head, 2), SIZE).shape == (2, 0, 6)


def test_boxes_and_losses_are_float32_under_autocast(backbone: Backbone) -> None:
    head = build(backbone)
    images, rows = draw_batch(2)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = head(read(backbone, images))
        value, found = head.loss(outputs, rows, SIZE), head.predict(outputs, SIZE)
    assert {outputs.dtype, value.dtype, found.dtype} == {torch.float32}
    torch.testing.assert_close(value, head.loss(outputs, rows, SIZE), rtol=0.02, atol=0)
    value.sum().backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_the_pool_reads_each_level_at_its_own_stride(backbone: Backbone) -> None:
    """Also where the first batch is of an odd size, from which torchvision would take its scales."""
    head = build(backbone)
    assert head.roi_heads.box_roi_pool.scales == [1 / stride for stride in PYRAMID_STRIDES]
    random_outputs(head, 1, (33, 250))
    assert head.roi_heads.box_roi_pool.scales == [1 / stride for stride in PYRAMID_STRIDES]


def test_mirror_images_add_what_they_find_where_it_lies(backbone: Backbone) -> None:
    head = build(backbone, score_threshold=0.0, nms_threshold=1.0)
    outputs, mirrored = random_outputs(head, 2), random_outputs(head, 2)
    both = head.average_mirrored(outputs, mirrored, SIZE)
    rows = torch.tensor([OBJECT]).expand(2, 1, 6)
    torch.testing.assert_close(head.loss(both, rows, SIZE), head.loss(outputs, rows, SIZE))
    back = head.predict(mirrored, SIZE)[:, :20]
    back = torch.cat([SIZE[1] - back[..., 2:3], back[..., 1:2], SIZE[1] - back[..., :1], back[..., 3:]], 2)
    head.max_detections = 1000
    found = head.predict(both, SIZE)
    for wanted in (back, head.predict(outputs, SIZE)[:, :20]):
        distance = torch.cdist(wanted, found, compute_mode="donot_use_mm_for_euclid_dist").amin(2)
        assert distance.max() < 1e-3
