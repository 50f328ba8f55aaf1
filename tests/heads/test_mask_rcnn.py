"""The head for instances: what it learns, and from what it does not."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Backbone
from candelabra.data.decoding.mask_cells import MASK_SIDE
from candelabra.data.readers.shapes import ManyShapes
from candelabra.data.targets import InstancesTarget, Labels
from candelabra.data.targets.instance_maps import UNKNOWN, list_codes, pack_object, pack_unknown
from candelabra.data.targets.object_masks import paste_mask
from candelabra.heads import FCOS, FasterRCNN, MaskRCNN, compute_metrics
from candelabra.heads.detector import Detector
from candelabra.heads.mask_layers import crop_masks
from tests.heads.test_faster_rcnn import read

SIZE = (96, 120)
BuildDetector = Callable[..., Detector]
DETECTORS: dict[str, BuildDetector] = {
    "fcos": partial(FCOS, width=32, layers=1),
    "faster_rcnn": partial(FasterRCNN, width=32, hidden=64, proposals=50),
}
every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


def build(backbone: Backbone, detector: BuildDetector = DETECTORS["fcos"], **options: float) -> MaskRCNN:
    torch.manual_seed(1)
    labels = Labels(InstancesTarget(("circle", "square")))
    return MaskRCNN(backbone, labels, detector, **{"width": 16, "layers": 1, **options})


def draw_batch(count: int) -> tuple[Tensor, Tensor]:
    """Images of a bright disk and a dark square each, and their maps."""
    generator = torch.Generator().manual_seed(0)
    images, values = torch.full((count, 3, *SIZE), 0.5), torch.zeros(count, *SIZE, dtype=torch.int32)
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    for index in range(count):
        for number in (0, 1):
            y, x, half = (
                int(torch.randint(*span, (1,), generator=generator)) for span in ((24, 70), (24, 36), (12, 20))
            )
            x += 60 * number
            if number:
                inside = ((rows - y).abs() <= half) & ((columns - x).abs() <= half)
            else:
                inside = (rows - y) ** 2 + (columns - x) ** 2 <= half**2
            images[index, :, inside] = float(1 - number)
            values[index, inside] = pack_object(number + 1, number)
    return images, values


@pytest.mark.parametrize(
    ("detector", "steps", "rate"),
    [("fcos", 40, 5e-3), pytest.param("faster_rcnn", 60, 3e-3, marks=pytest.mark.slow)],
)
def test_it_learns_the_objects_of_a_few_images_and_their_pixels(
    detector: str, steps: int, rate: float, backbone: Backbone
) -> None:
    head = build(backbone, DETECTORS[detector], width=32)
    images, values = draw_batch(3)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        head.loss(head(read(backbone.train(), images)), values, SIZE).mean().backward()
        optimizer.step()
    metrics = head.metrics()
    with torch.no_grad():
        outputs = head.eval()(read(backbone, images))
        head.measure(metrics, outputs, values, SIZE)
        best = head.predict(outputs, SIZE)[0, :2]
    found = compute_metrics(metrics)
    assert found["map50"] > 0.9
    assert found["box_map50"] > 0.9
    disk = next(row for row in best if row[4] == 0)
    inside, true = torch.from_numpy(paste_mask(disk).spread(SIZE)), values[0] == pack_object(1, 0)
    assert (inside & true).sum() / (inside | true).sum() > 0.85


@every_detector
def test_no_object_teaches_background_and_no_label_teaches_nothing(backbone: Backbone, detector: BuildDetector) -> None:
    head = build(backbone, detector)
    outputs = head(read(backbone, torch.rand(1, 3, *SIZE)))
    nothing = torch.zeros(1, *SIZE, dtype=torch.int32)
    value = head.loss(outputs, nothing, SIZE)
    value.sum().backward()
    assert value > 0
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert not any(p.grad.any() for p in head.masks.parameters())
    outputs = head(read(backbone, torch.rand(1, 3, *SIZE)))
    assert head.loss(outputs, torch.full_like(nothing, UNKNOWN), SIZE).tolist() == [0]


@every_detector
def test_a_rank_without_a_label_gives_each_parameter_a_gradient(backbone: Backbone, detector: BuildDetector) -> None:
    head = build(backbone, detector)
    head(read(backbone, torch.rand(1, 3, *SIZE)))[:0].sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or p.grad.any()] == []


@every_detector
def test_a_sample_has_the_same_loss_in_any_batch_and_mode(backbone: Backbone, detector: BuildDetector) -> None:
    head = build(backbone, detector)
    images, values = draw_batch(3)
    values[1] = 0
    values[2][values[2] == 0] = pack_unknown([1])
    outputs = head(read(backbone.eval(), images)).detach()
    state = torch.get_rng_state()
    whole = head.train().loss(outputs, values, SIZE)
    torch.testing.assert_close(head.eval().loss(outputs, values, SIZE), whole, rtol=0, atol=0)
    for index in range(3):
        alone = head.loss(outputs[index : index + 1], values[index : index + 1], SIZE)
        torch.testing.assert_close(alone, whole[index : index + 1])
    assert torch.equal(torch.get_rng_state(), state)


def test_crowds_and_pixels_that_nobody_labelled_do_not_teach_masks(backbone: Backbone) -> None:
    head = build(backbone)
    images, values = draw_batch(1)
    features = read(backbone.eval(), images)

    def list_gradients(target: Tensor) -> list[float]:
        head.zero_grad()
        head.loss(head(features), target, SIZE).sum().backward(retain_graph=True)
        return [float(p.grad.abs().sum()) for p in head.masks.parameters()]

    crowds = torch.where(values > 0, values + 1, values)
    assert not any(list_gradients(crowds))
    assert any(list_gradients(values))


def test_masks_to_learn_are_the_shares_of_cells() -> None:
    values = torch.zeros(SIZE, dtype=torch.int32)
    values[20:40, 30:60] = pack_object(1, 0)
    values[40:60, 30:60] = UNKNOWN
    codes, _ = list_codes(values)
    shares, known = crop_masks(values, codes, torch.tensor([[30.0, 20, 60, 60]]))
    assert shares[0, : MASK_SIDE // 2].eq(1).all()
    assert known[0, : MASK_SIDE // 2].all()
    assert not known[0, MASK_SIDE // 2 :].any()
    wide, known = crop_masks(values, codes, torch.tensor([[-30.0, 20, 90, 40]]))
    assert float(wide.mean()) == pytest.approx(0.25, abs=0.02)
    assert not known[0, :, : MASK_SIDE // 4].any()


def test_predictions_are_the_same_in_any_batch(backbone: Backbone) -> None:
    head = build(backbone).eval()
    images, _ = draw_batch(2)
    with torch.no_grad():
        outputs = head(read(backbone.eval(), images))
        both, second = head.predict(outputs, SIZE), head.predict(outputs[1:], SIZE)
    assert both.shape[2] == 6 + MASK_SIDE**2
    torch.testing.assert_close(both[1, : second.shape[1]], second[0])


def test_drawn_scenes_label_boxes_instances_and_mask_alike() -> None:
    samples = ManyShapes(count=3, canvas=160, objects=40, drawing_seed=1).read()
    for index in range(3):
        sample = samples[index]
        codes, boxes = list_codes(sample["instances"])
        assert 20 <= len(codes) <= 40
        assert torch.equal(sample["boxes"][:, :4], boxes)
        assert torch.equal(sample["mask"] > 0, sample["instances"] > 0)
