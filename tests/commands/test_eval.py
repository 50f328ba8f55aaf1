"""`candelabra eval scale=original`: boxes, points and masks are measured in the pixels of the files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.eval import run_eval
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Table
from candelabra.data.loading.original_views import ORIGINALS_KEY, OriginalViews, collate_originals
from candelabra.errors import CandelabraError
from candelabra.heads import Box, Keypoints, Mask
from candelabra.heads.head import Head
from candelabra.tasks.metrics import HeadMetrics
from candelabra.tasks.original_metrics import measure_batch
from candelabra.types import Features, Sample
from tests.conftest import Compose

SIDES = [(120, 40), (40, 96), (64, 64), (80, 60)]  # of the images, (width, height)


def make_data(root: Path, count: int = len(SIDES)) -> Path:
    """Images with a box of a quarter of the width, two points and a mask, at different places."""
    root.mkdir(exist_ok=True)
    head = "image,split,label,xmin,ymin,xmax,ymax,tip_x,tip_y,end_x,end_y,mask"
    rows = [head]
    for number in range(count):
        width, height = SIDES[number % len(SIDES)]
        left, top = width // 4 + number % 3, height // 4
        right, bottom = left + width // 4, top + height // 2
        pixels = np.zeros((height, width), np.uint8)
        pixels[top:bottom, left:right] = 1
        Image.fromarray(pixels * 200).convert("RGB").save(root / f"{number}.png")
        Image.fromarray(pixels).save(root / f"{number}_mask.png")
        split = ("test", "test", "test", "test", "val", "train")[number % 6]
        points = f"{left},{top},{right},{bottom}"
        rows.append(f"{number}.png,{split},c,{points},{points},{number}_mask.png")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root


class Told(torch.nn.Module):
    """Says the same for every image: points (N, K, 2) in image sides."""

    def __init__(self, points: list[list[float]]) -> None:
        super().__init__()
        self.points = torch.tensor(points)

    def forward(self, features: Features) -> torch.Tensor:
        return self.points.expand(len(features.final), *self.points.shape)


def features_of(batch: Sample) -> Features:
    images = batch["image"].float()
    return Features([images], images, (images.shape[-2], images.shape[-1]))


def measured(head: Head, batch: Sample) -> dict[str, float]:
    metrics = HeadMetrics({"one": head})
    measure_batch([("one", head.eval())], batch, features_of(batch), metrics)
    return {name: float(value) for name, value in metrics.compute([("one", head)]).numbers.items()}


def batch_of(root: Path, resize: str) -> tuple[DataModule, Sample]:
    data = DataModule(Table(root=str(root)), size=64, resize=resize, workers=0)  # type: ignore[arg-type]
    views = OriginalViews(data.dataset("test"))
    return data, collate_originals([views[place] for place in range(len(views))], data.labels)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_data(tmp_path, 6)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_labels_come_in_the_pixels_of_their_files(root: Path, resize: str) -> None:
    _, batch = batch_of(root, resize)
    for number, view in enumerate(batch[ORIGINALS_KEY]):
        width, height = SIDES[number]
        assert view.geometry.original == (height, width)
        left, top = width // 4 + number % 3, height // 4
        corners = [left, top, left + width // 4, top + height // 2]
        assert view.values["box"].tolist() == corners
        assert view.values["keypoints"].flatten().tolist() == corners
        assert view.values["mask"].shape == (height, width)
        assert int((view.values["mask"] == 1).sum()) == (width // 4) * (height // 2)
        assert set(view.values) == {"box", "boxes", "keypoints", "mask"}


def placed(corner: float, side: int, other: int, resize: str) -> float:
    """A place in a square of 1 that the model sees -> pixels of the file along a side."""
    if resize == "stretch":
        return corner * side
    scale = 64 / max(side, other)
    return (corner * 64 - (64 - round(side * scale)) // 2) / (round(side * scale) / side)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_boxes_and_points_are_compared_in_the_pixels_of_their_files(root: Path, resize: str) -> None:
    data, batch = batch_of(root, resize)
    (left, top), (right, bottom) = said = [[0.3, 0.4], [0.6, 0.7]]
    overlaps, errors = [], []
    for number, (width, height) in enumerate(SIDES):
        xs = [placed(x, width, height, resize) for x in (left, right)]
        ys = [placed(y, height, width, resize) for y in (top, bottom)]
        a, b = width // 4 + number % 3, height // 4
        c, d = a + width // 4, b + height // 2
        errors.append((np.hypot(xs[0] - a, ys[0] - b) + np.hypot(xs[1] - c, ys[1] - d)) / 2 / np.hypot(width, height))
        xs, ys = np.clip(xs, 0, width).tolist(), np.clip(ys, 0, height).tolist()
        shared = max(0, min(xs[1], c) - max(xs[0], a)) * max(0, min(ys[1], d) - max(ys[0], b))
        overlaps.append(shared / ((xs[1] - xs[0]) * (ys[1] - ys[0]) + (c - a) * (d - b) - shared))
    box = Box(None, data.labels, lambda *_: Told([said[0], said[0], said[1], said[1]]))  # type: ignore[arg-type]
    found = measured(box, batch)
    assert found["one/iou"] == pytest.approx(np.mean(overlaps), abs=1e-4)
    assert found["one/count"] == 4
    points = Keypoints(None, data.labels, lambda *_: Told(said), normalizer="image")  # type: ignore[arg-type]
    found = measured(points, batch)
    assert found["one/nme"] == pytest.approx(np.mean(errors), abs=1e-4)
    assert found["one/points"] == 8
    prepared = measured(points, {key: value for key, value in batch.items() if key != ORIGINALS_KEY})
    assert prepared["one/loss"] == pytest.approx(found["one/loss"])
    assert prepared["one/nme"] != pytest.approx(found["one/nme"], abs=1e-4)


@pytest.mark.parametrize(("resize", "least"), [("stretch", 0.9), ("letterbox", 0.9), ("crop", 0.4)])
def test_masks_are_compared_in_the_pixels_of_their_files(root: Path, resize: str, least: float) -> None:
    data, batch = batch_of(root, resize)

    class Shown(Mask):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.target_info, self.classes = data.labels["mask"], ("no", "yes")  # type: ignore[assignment]
            self.weighting, self.cross_entropy_weight, self.dice_weight = "fixed", 1.0, 1.0
            self.lovasz_weight = self.focal_gamma = self.boundary_weight = 0.0
            self.class_weights = torch.ones(2)

        def forward(self, features: Features) -> torch.Tensor:
            grey = features.maps[0].mean(1)
            return torch.stack([100 - grey, grey - 100], 1)

    found = measured(Shown(), batch)
    assert found["one/count"] == 4
    assert least < found["one/iou"] <= 1
    whole = [view.values["mask"] for view in batch[ORIGINALS_KEY]]
    counts = np.zeros((2, 2))
    predicted = Shown().predict(Shown()(features_of(batch)), (64, 64))
    for each, truth, view in zip(predicted, whole, batch[ORIGINALS_KEY], strict=True):
        shown = data.labels["mask"].to_original(each, view.geometry).numpy().astype(int)
        shown[shown == 255] = 0
        np.add.at(counts, (truth.numpy(), shown), 1)
    expected = np.mean([counts[k, k] / (counts[k].sum() + counts[:, k].sum() - counts[k, k]) for k in (0, 1)])
    assert found["one/iou"] == pytest.approx(expected, abs=1e-5)


def test_fillers_of_ranks_do_not_count(root: Path) -> None:
    data, _ = batch_of(root, "stretch")
    views = OriginalViews(data.dataset("test"))
    assert views[~1][ORIGINALS_KEY].geometry is None
    batch = collate_originals([views[0], views[~1]], data.labels)
    points = Keypoints(None, data.labels, lambda *_: Told([[0.3, 0.4], [0.6, 0.7]]))  # type: ignore[arg-type]
    assert measured(points, batch)["one/count"] == 1


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_large_photos_that_are_decoded_smaller_are_measured_at_their_own_size(
    tmp_path: Path, resize: str, orientation: int
) -> None:
    turned = Image.Exif()
    turned[0x0112] = orientation
    shown = (405, 603) if orientation < 5 else (603, 405)  # height and width
    for name in "abc":
        Image.new("RGB", (603, 405)).save(tmp_path / f"{name}.jpg", exif=turned)
    cells = [f"{name}.jpg,{split},101,50,300,203" for name, split in zip("abc", ("train", "val", "test"), strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["image,split,xmin,ymin,xmax,ymax", *cells]))
    data, batch = batch_of(tmp_path, resize)
    view = batch[ORIGINALS_KEY][0]
    assert view.geometry.original == shown
    assert view.geometry.region.extent > shown[::-1]
    assert view.values["box"].tolist() == [101, 50, 300, 203]
    back = data.labels["box"].to_original(batch["box"][0], view.geometry)
    assert torch.allclose(back, view.values["box"], atol=0.01)


def test_a_run_is_measured_in_either_scale_and_whatever_the_pairs_of_its_points(tiny: Compose, tmp_path: Path) -> None:
    root = make_data(tmp_path / "data", 12)
    words = ["data=table", f"data.root={root}", "data.resize=letterbox", "data.workers=0", "epochs=1"]
    run_train(tiny(*words, "data.mirror=[[tip,end]]"))
    results: dict[str, dict[str, float]] = {}
    judged = [f"checkpoint={tmp_path / 'train'}", "trainer.enable_progress_bar=false"]
    for scale in ("prepared", "original"):
        run_eval(tiny(*judged, f"scale={scale}", command="eval"))
        results[scale] = json.loads((tmp_path / "eval" / "results.json").read_text())
    (tmp_path / "some.csv").write_text((tmp_path / "train" / "splits.csv").read_text().replace(",test", ",val"))
    trained = json.loads((tmp_path / "train" / "results.json").read_text())
    assert results["prepared"] == {key: value for key, value in trained.items() if key.startswith("test/")}
    assert results["original"].keys() == results["prepared"].keys()
    for name in ("label/accuracy", "label/loss", "box/loss", "mask/loss", "box/count", "mask/count"):
        assert results["original"][f"test/{name}"] == results["prepared"][f"test/{name}"]
    assert results["original"]["test/keypoints/nme"] != results["prepared"]["test/keypoints/nme"]
    with pytest.raises(CandelabraError, match=r"split=test has no image .*; split=val has \d+ and split=train"):
        run_eval(tiny(*judged, f"data.split={tmp_path / 'some.csv'}", command="eval"))
    with pytest.raises(CandelabraError, match="scale=file is not known; allowed are prepared and original"):
        run_eval(tiny(*judged, "scale=file", command="eval"))
    path = tmp_path / "train" / "checkpoints" / "best.ckpt"
    saved = torch.load(path, weights_only=True)
    assert saved["candelabra"]["labels"]["keypoints"]["mirror"] == [["tip", "end"]]
    saved["candelabra"]["labels"]["keypoints"]["mirror"] = []
    torch.save(saved, path)
    run_eval(tiny(*judged, command="eval"))
    assert json.loads((tmp_path / "eval" / "results.json").read_text()) == results["prepared"]
