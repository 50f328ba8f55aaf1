"""What every head promises, and what each measures."""

from functools import partial

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.errors import CandelabraError
from candelabra.heads import Box, Head, Keypoints, Label, Mask, Pooled, compute_metrics, decoders
from candelabra.heads.coordinate_readers import Pooling
from candelabra.heads.losses import Wing, compute_class_weights
from tests.data.builders import make_labels

LABELS = make_labels(
    classes=("a", "b", "c"),
    box=True,
    keypoints=("left", "right"),
    mirror=(1, 0),
    normalizer=(0, 1),
    mask_classes=("no", "yes"),
)
NAN = float("nan")
HEADS = {
    "label": Label,
    "label_flat": partial(Label, pooling="flatten", hidden=[8], dropout=0.1, smoothing=0.1),
    "label_concat": partial(Label, pooling="concat"),
    "label_max": partial(Label, pooling="max", class_weights=[1, 2, 3]),
    "label_balanced": partial(Label, class_weights="balanced"),
    "box": Box,
    "box_pooled": partial(Box, coordinates=Pooled),
    "box_flat": partial(Box, coordinates=partial(Pooled, pooling="flatten")),
    "keypoints": partial(Keypoints, loss=Wing()),
    "keypoints_pooled": partial(Keypoints, coordinates=Pooled),
    "mask": Mask,
}


def targets(head: Head) -> Tensor:
    """Two labelled samples around one that is not."""
    if head.target == "label":
        return torch.tensor([0, -1, 2])
    if head.target == "box":
        return torch.tensor([[4.0, 8, 40, 50], [NAN] * 4, [0, 0, 64, 80]])
    if head.target == "keypoints":
        return torch.tensor([[[4.0, 8], [40, 50]], [[NAN, NAN]] * 2, [[NAN, NAN], [30, 30]]])
    return torch.stack([torch.zeros(80, 64), torch.full((80, 64), 255), torch.ones(80, 64)]).to(torch.uint8)


@pytest.mark.parametrize("name", HEADS)
def test_an_unlabelled_sample_neither_teaches_nor_counts(name: str, backbone: Backbone) -> None:
    head: Head = HEADS[name](backbone, LABELS)
    features = backbone(torch.rand(3, 3, 80, 64))
    outputs = head(features)
    outputs.retain_grad()
    target = targets(head)
    labelled = head.labelled(target)
    assert labelled.tolist() == [True, False, True]
    values = head.loss(outputs, target, features.size)
    assert values.shape == (3,)
    assert values.isfinite().all()
    torch.where(labelled, values, 0.0).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert outputs.grad[1].abs().sum() == 0
    assert outputs.grad[[0, 2]].abs().flatten(1).sum(1).min() > 0
    assert all(p.grad is not None for p in head.parameters())

    alone, mixed = head.metrics(), head.metrics()
    head.measure(alone, outputs[[0, 2]].detach(), target[[0, 2]], features.size)
    head.measure(mixed, outputs.detach(), target, features.size)
    found, others = compute_metrics(alone), compute_metrics(mixed)
    torch.testing.assert_close(found, others)
    assert 0 <= head.score({key: float(value) for key, value in found.items() if value.numel() == 1}) <= 1


@pytest.mark.parametrize("name", HEADS)
def test_a_head_learns_what_it_is_shown(name: str, backbone: Backbone) -> None:
    torch.manual_seed(0)
    head: Head = HEADS[name](backbone, LABELS)
    images, target = torch.rand(3, 3, 80, 64), targets(head)
    optimizer = torch.optim.Adam([*backbone.parameters(), *head.parameters()], lr=5e-3)
    first = 0.0
    for step in range(25):
        features = backbone(images)
        loss = torch.where(head.labelled(target), head.loss(head(features), target, features.size), 0.0).sum()
        first = loss.item() if step == 0 else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first


@pytest.mark.parametrize("pooling", ["avg", "concat", "flatten"])
def test_a_step_moves_pooled_points_by_little_however_many_inputs(pooling: Pooling, backbone: Backbone) -> None:
    features = backbone(torch.rand(4, 3, 128, 128))
    features = features._replace(final=torch.rand_like(features.final))  # about what trained backbones give
    reader = Pooled(backbone, 4, pooling)
    before = reader(features)
    before.sum().backward()
    torch.optim.Adam(reader.parameters(), lr=2e-3).step()
    moved = (reader(features) - before).detach().abs()
    assert 0.01 < float(moved.min()) < float(moved.max()) < 0.2


def test_a_box_given_inside_out_is_brought_in_order(backbone: Backbone) -> None:
    torch.manual_seed(0)
    head, target = Box(backbone, LABELS), torch.tensor([[35.0, 20, 65, 50]]).expand(200, 4)
    outputs = torch.rand(200, 4, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        head.loss(outputs, target, (100, 100)).sum().backward()
        optimizer.step()
    assert float((outputs.detach() * 100 - target).abs().max()) < 2


def test_box_and_points_come_in_pixels_inside_the_image(backbone: Backbone) -> None:
    head = Box(backbone, LABELS)
    boxes = head.predict(torch.tensor([[-0.1, 0.2, 0.5, 1.3], [0.9, 0.1, 0.2, 0.3]]), (100, 200))
    torch.testing.assert_close(boxes, torch.tensor([[0.0, 20, 100, 100], [40, 10, 180, 30]]))
    points = Keypoints(backbone, LABELS).predict(torch.tensor([[[0.5, 0.25], [0, 1]]]), (100, 200))
    assert points.tolist() == [[[100, 25], [0, 100]]]


@pytest.mark.parametrize(
    ("normalizer", "length", "words"),
    [
        ("points", 50.0, "distance of left and right"),
        ("box", 50.0, "diagonal of the bounding box of the points"),
        ("image", 223.6068, "diagonal of the image"),
    ],
)
def test_keypoint_error_by_three_lengths(backbone: Backbone, normalizer: str, length: float, words: str) -> None:
    head = Keypoints(backbone, LABELS, normalizer=normalizer)  # type: ignore[arg-type]
    assert head.metric_notes == {"nme": f"mean error divided by the {words}"}
    target = torch.tensor([[[10.0, 10], [50, 40]]])
    outputs = (target + torch.tensor([3.0, 4.0])) / torch.tensor([200.0, 100.0])
    metrics = head.metrics()
    head.measure(metrics, outputs, target, (100, 200))
    assert float(metrics["nme"].compute()) == pytest.approx(5 / length, rel=1e-4)


def test_mask_iou_leaves_ignored_pixels_out(backbone: Backbone) -> None:
    head = Mask(backbone, LABELS)
    target = torch.tensor([[[0, 0, 1, 1, 255, 255]]], dtype=torch.uint8)
    shown = torch.tensor([[[0, 1, 1, 1, 0, 1]]])
    metrics = head.metrics()
    head.measure(metrics, torch.nn.functional.one_hot(shown, 2).permute(0, 3, 1, 2).float(), target, (1, 6))
    assert float(metrics["iou"].compute()) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (100, 40)])
def test_a_mask_has_the_size_of_its_image(backbone: Backbone, size: tuple[int, int]) -> None:
    assert Mask(backbone, LABELS).eval()(backbone.eval()(torch.rand(1, 3, *size))).shape == (1, 2, *size)


@pytest.mark.parametrize(
    "name", ["unet", "unetplusplus", "manet", "linknet", "fpn", "pan", "upernet", "segformer", "deeplabv3plus"]
)
def test_every_decoder_on_pyramids_with_and_without_a_fine_map(name: str, backbone: Backbone) -> None:
    from candelabra.backbones import Timm

    for each in (backbone, Timm("test_convnext", weights="none")):
        head = Mask(each, LABELS, decoder=getattr(decoders, name))
        side = 256 if name == "pan" else 64
        assert head(each(torch.rand(2, 3, side, 96 + side))).shape == (2, 2, side, 96 + side)


def test_many_labels_at_once(backbone: Backbone) -> None:
    head = Label(backbone, make_labels(classes=("x", "y"), multilabel=True))
    target = torch.tensor([[1.0, 0], [NAN, NAN], [1, 1]])
    outputs = torch.tensor([[4.0, -4], [0, 0], [4, 4]])
    assert head.labelled(target).tolist() == [True, False, True]
    assert head.loss(outputs, target, (8, 8))[[0, 2]].max() < 0.05
    metrics = head.metrics()
    head.measure(metrics, outputs, target, (8, 8))
    values = compute_metrics(metrics)
    assert {key: float(values[key]) for key in ("accuracy", "f1", "map")} == {"accuracy": 1, "f1": 1, "map": 1}
    assert float(values["ece"]) < 0.02


def test_balanced_class_weights_are_of_the_labelled_images_of_a_batch(backbone: Backbone) -> None:
    outputs, target = torch.randn(6, 3), torch.tensor([0, 0, 0, -1, 2, 0])
    weights = compute_class_weights(torch.tensor([4, 0, 1]))
    found = Label(backbone, LABELS, class_weights="balanced").loss(outputs, target, (8, 8))
    expected = torch.nn.functional.cross_entropy(outputs, target.clamp(min=0), reduction="none") * weights[target]
    torch.testing.assert_close(found[target >= 0], expected[target >= 0])

    several = make_labels(classes=("x", "y"), multilabel=True)
    target = torch.tensor([[1.0, 0], [NAN, NAN], [1, 1], [1, 0]])
    weights = compute_class_weights(torch.tensor([3, 1]))
    found = Label(backbone, several, class_weights="balanced").loss(outputs[:4, :2], target, (8, 8))
    each = torch.nn.functional.binary_cross_entropy_with_logits(outputs[:4, :2], target, reduction="none")
    torch.testing.assert_close(found[[0, 2, 3]], (each * weights).mean(1)[[0, 2, 3]])


def test_balanced_class_weights_find_a_rare_class(backbone: Backbone) -> None:
    target = torch.tensor([0] * 9 + [1])  # all images are equal: the bias alone can learn
    shares = {}
    for weights in (None, "balanced"):
        outputs = torch.zeros(3, requires_grad=True)
        head = Label(backbone, LABELS, class_weights=weights)  # type: ignore[arg-type]
        optimizer = torch.optim.Adam([outputs], lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            head.loss(outputs.expand(10, 3), target, (8, 8)).mean().backward()
            optimizer.step()
        shares[weights] = float(outputs.detach().softmax(0)[1])
    assert shares[None] == pytest.approx(0.1, abs=0.02)
    assert shares["balanced"] == pytest.approx(0.39, abs=0.02)  # 3.9 x 0.1, see `compute_class_weights`


@pytest.mark.parametrize(("rare", "like"), [(100, None), (10, "balanced")])
def test_pixels_of_a_class_that_is_rare_in_training_count_more(backbone: Backbone, rare: int, like: str | None) -> None:
    outputs, target = torch.randn(2, 2, 40, 50), torch.zeros(2, 40, 50, dtype=torch.uint8)
    target.view(2, -1)[:, :rare] = 1
    target.view(2, -1)[:, 1000:1200] = 255
    head, other = Mask(backbone, LABELS), Mask(backbone, LABELS, class_weights=like)  # type: ignore[arg-type]
    equal = Mask(backbone, LABELS, class_weights=None).loss(outputs, target, (40, 50))
    torch.testing.assert_close(head.loss(outputs, target, (40, 50)), equal)  # nothing was seen in training
    head.observe_labels(target[:1], lambda counts: 2 * counts)  # two ranks
    assert head.pixels.tolist() == [2 * (1800 - rare), 2 * rare]
    torch.testing.assert_close(head.loss(outputs, target, (40, 50)), other.loss(outputs, target, (40, 50)))
    assert torch.equal(head.loss(outputs, target, (40, 50)), equal) == (like is None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partial(Label, pooling="mean"), "avg, max, concat and flatten"),
        (partial(Label, class_weights=[1, 2]), "2 numbers, but there are 3 classes"),
        (partial(Label, dropout=1.5), "dropout=1.5"),
        (partial(Label, smoothing=1), "smoothing=1"),
        (partial(Keypoints, normalizer="eyes"), "points, box and image"),
        (partial(Mask, class_weights=[1]), "1 numbers, but a pixel has 2 classes"),
    ],
)
def test_wrong_arguments_are_named(backbone: Backbone, make: partial[Head], words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        make(backbone, LABELS)


@pytest.mark.parametrize("head", [Label, Box, Keypoints, Mask])
def test_a_head_without_labels_is_refused(backbone: Backbone, head: type[Head]) -> None:
    lacking = {"label": make_labels(box=True)}.get(head.target, make_labels(classes=("a",)))
    with pytest.raises(CandelabraError, match=f"needs data that label '{head.target}'"):
        head(backbone, lacking)  # type: ignore[call-arg]
