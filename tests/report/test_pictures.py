"""Pictures of labels and predictions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.backbones import Backbone
from candelabra.data.targets import BoxTarget, KeypointsTarget, Labels, LabelTarget, MaskTarget
from candelabra.data.targets.drawing import pick_class_colour
from candelabra.heads import Label, compute_metrics
from candelabra.report.pictures import draw_sample, draw_sheet, write_caption, write_pictures
from candelabra.types import Sample
from tests.data.builders import make_labels

LABELS = Labels(LabelTarget(("cat", "dog")), BoxTarget(), KeypointsTarget(("a", "b")))
SIDE = 112


def make_sample(**values: torch.Tensor) -> Sample:
    size = (SIDE, SIDE)
    missing = {name: target.missing(size) for name, target in LABELS.items()}
    sample: Sample = {"image": torch.full((3, *size), 90, dtype=torch.uint8), **missing, **values}  # type: ignore[typeddict-item]
    return sample


PREDICTED = {
    "label": torch.tensor([0.1, 0.9]),
    "box": torch.tensor([20.0, 40, 60, 100]),
    "keypoints": torch.tensor([[80.0, 50], [90, 90]]),
}


def split_pair(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of truth and prediction, without the line above them."""
    sheet = np.asarray(draw_sheet([sample], [PREDICTED], LABELS, side=SIDE))[18 : 18 + SIDE]
    return sheet[:, :SIDE], sheet[:, SIDE + 2 : 2 * SIDE + 2]


def test_classes_of_several_labels_an_image_have_a_table_and_no_confusion(tmp_path: Path, backbone: Backbone) -> None:
    labels = make_labels(classes=("cat", "dog", "owl"), multilabel=True)
    head = Label(backbone, labels)
    metrics = head.metrics()
    outputs = torch.tensor([[2.0, 2, -2], [2, -2, -2], [-2, 2, -2], [9, 9, 9]])
    truth = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 0], [torch.nan] * 3])
    head.measure(metrics, outputs, truth, (SIDE, SIDE))
    tables = {f"test/label/{name}": value for name, value in compute_metrics(metrics).items() if name in head.tables}
    data = SimpleNamespace(dataset=lambda split: (), spread_positions=lambda split, count: ())
    task = SimpleNamespace(eval=lambda: None, head_targets={"label": labels["label"]})
    write_pictures(task, data, tables, tmp_path)
    assert (tmp_path / "label_classes.csv").read_text().splitlines() == [
        "class,precision,recall,f1,iou,support",
        "cat,1.0000,1.0000,1.0000,1.0000,2",
        "dog,0.5000,0.5000,0.5000,0.3333,2",
        "owl,0.0000,0.0000,0.0000,0.0000,0",
    ]
    assert not [*(tmp_path / "pictures").iterdir()]


def is_changed(picture: np.ndarray) -> bool:
    return bool((picture != 90).any())


def test_a_prediction_is_drawn_with_the_truth_in_white_and_the_truth_alone_beside_it() -> None:
    box = torch.tensor([30.0, 50, 70, 90])
    truth, prediction = split_pair(make_sample(box=box))
    assert np.array_equal(truth, np.asarray(draw_sample(np.full((SIDE, SIDE, 3), 90, np.uint8), {"box": box}, LABELS)))
    assert (truth[75, 30] == (255, 230, 0)).all()
    assert (prediction[75, 20] == (255, 230, 0)).all()
    assert (prediction[75, 30] == 255).all()


@pytest.mark.parametrize("labelled", ["label", "box", "keypoints"])
def test_heads_without_a_label_are_not_drawn(labelled: str) -> None:
    values = {"label": torch.tensor(0), "box": PREDICTED["box"], "keypoints": PREDICTED["keypoints"]}
    _, prediction = split_pair(make_sample(**{labelled: values[labelled]}))
    places = {
        "label": prediction[:15, :60],  # the caption
        "box": prediction[60:90, 10:30],
        "keypoints": prediction[40:60, 70:90],
    }
    assert {name for name, part in places.items() if is_changed(part)} == {labelled}


def test_captions_grow_with_the_picture_and_keep_inside() -> None:
    heights = {}
    for side in (48, 224, 2000):
        picture = Image.new("RGB", (side, side), "red")
        write_caption(picture, "golden retriever 0.97")
        black = np.asarray(picture).sum(2) != 255
        heights[side] = int(black.any(1).sum())
        assert black.any(0).sum() < side
    assert 8 < heights[48] <= 20
    assert heights[224] < 24
    assert heights[2000] > 60


def test_words_of_captions_are_apart() -> None:
    picture = Image.new("RGB", (224, 224), "red")
    write_caption(picture, "i 1")
    bright = (np.asarray(picture).min(2) > 60).any(0)
    places = np.flatnonzero(bright)
    assert np.diff(places).max() >= 4  # pixels between the letter and the number


def test_the_classes_of_a_mask_are_named_below_the_pictures_in_their_colours() -> None:
    names = ("background", *(f"class {number}" for number in range(1, 9)))
    labels = Labels(MaskTarget(names))
    sample: Sample = {"image": torch.zeros(3, SIDE, SIDE, dtype=torch.uint8), "mask": torch.zeros(SIDE, SIDE).byte()}
    sheet = draw_sheet([sample], None, labels, side=SIDE)
    without = draw_sheet([sample], None, Labels(BoxTarget()), side=SIDE)
    assert sheet.width == without.width
    assert sheet.height > without.height + 2 * 18  # they take several lines
    legend = sheet.crop((0, without.height, sheet.width, sheet.height))
    colours = {colour for _, colour in legend.getcolors(maxcolors=10000) or []}
    assert colours >= {pick_class_colour(number) for number in range(1, 9)}
    assert pick_class_colour(0) not in colours
