"""Labels lie where the image does, read smaller or with a mask of another size: to 0.05 pixels on average."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from candelabra.contracts.alignment import draw_disk, find_centre
from candelabra.data import Coco, Table
from candelabra.data.samples import Samples
from candelabra.data.views.cached_samples import shrink_sample
from candelabra.types import Sample, Size

COUNT = 24
RNG = np.random.default_rng(3)


def draw(folder: Path, size: Size, orientation: int, mask_size: float = 1.0) -> list[tuple[np.ndarray, float]]:
    """JPEG files of disks with their masks, as they are shown; returns centres and radii."""
    disks = []
    for number in range(COUNT):
        radius, centre = RNG.uniform(0.12, 0.2) * min(size), RNG.uniform(0.3, 0.7, 2) * np.array(size[::-1])
        disk = draw_disk(size, centre, radius, 2.0).numpy()
        turned = {1: disk, 3: disk[::-1, ::-1], 6: np.rot90(disk), 8: np.rot90(disk, -1)}[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        grey = Image.fromarray((turned * 255).astype(np.uint8)).convert("RGB")
        grey.save(folder / f"{number}.jpg", quality=95, exif=exif.tobytes())
        small = (round(size[0] * mask_size), round(size[1] * mask_size))
        inside = draw_disk(small, centre * mask_size, radius * mask_size).numpy() > 0.5
        Image.fromarray(inside.astype(np.uint8)).save(folder / f"m{number}.png")
        disks.append((centre, radius))
    return disks


def read_table(folder: Path, disks: list[tuple[np.ndarray, float]]) -> Samples:
    rows = ["image,xmin,ymin,xmax,ymax,tip_x,tip_y,mask"]
    for number, ((x, y), r) in enumerate(disks):
        rows.append(f"{number}.jpg,{x - r},{y - r},{x + r},{y + r},{x},{y},m{number}.png")
    (folder / "table.csv").write_text("\n".join(rows))
    return Table(root=str(folder), mask_classes=["no", "yes"]).read()


def offsets(samples: list[Sample]) -> dict[str, Tensor]:
    """The mean offset XY of each target from the image, in pixels of the image."""
    found: dict[str, list[Tensor]] = {}
    for sample in samples:
        values = {name: value.as_subclass(Tensor) for name, value in sample.items()}
        image = values.pop("image")[0].double() / 255
        truth = find_centre(torch.where(image > 0.1, image, 0))
        for name, value in values.items():
            points = value[:, :4] if name == "boxes" else value
            drawn = {"mask": value == 1, "instances": value > 0}
            centre = find_centre(drawn[name]) if name in drawn else points.reshape(-1, 2).mean(0)
            found.setdefault(name, []).append(centre - truth)
    return {name: torch.stack(each).mean(0) for name, each in found.items()}


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("size", "least"), [((225, 301), (100, 140)), ((201, 265), (20, 30)), ((200, 256), (20, 30))])
def test_labels_lie_where_a_jpeg_read_smaller_does(tmp_path: Path, size: Size, least: Size, orientation: int) -> None:
    samples = read_table(tmp_path, draw(tmp_path, size, orientation))
    loaded = [samples.load(index, least) for index in range(COUNT)]
    assert loaded[0]["image"].shape[1] <= size[0] // 2 + 1
    for name, offset in offsets(loaded).items():
        assert offset.abs().max() <= 0.05, (name, offset)


@pytest.mark.parametrize("mask_size", [0.5, 0.25])
def test_a_smaller_mask_lies_where_its_image_does(tmp_path: Path, mask_size: float) -> None:
    samples = read_table(tmp_path, draw(tmp_path, (160, 240), 1, mask_size))
    loaded = [samples.load(index) for index in range(COUNT)]
    assert offsets(loaded)["mask"].abs().max() * mask_size <= 0.05


def test_what_caches_keep_lies_where_its_image_does(tmp_path: Path) -> None:
    samples = read_table(tmp_path, draw(tmp_path, (160, 240), 1))
    shrunk = [shrink_sample(samples.load(index), samples.labels, (64, 80)) for index in range(COUNT)]
    for name, offset in offsets(shrunk).items():
        assert offset.abs().max() <= 0.05, (name, offset)


@pytest.mark.parametrize("kind", ["polygon", "runs"])
@pytest.mark.parametrize("least", [None, (100, 140), (20, 30)])
def test_outlines_lie_where_a_jpeg_read_smaller_does(tmp_path: Path, kind: str, least: Size | None) -> None:
    size = (225, 301)
    disks = draw(tmp_path, size, 1)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    annotations, images = [], []
    for number, (centre, radius) in enumerate(disks):
        ring = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        inside = (draw_disk(size, centre, radius).numpy() > 0.5).flatten(order="F")
        runs = np.diff([0, *(np.flatnonzero(np.diff(inside)) + 1), inside.size]).tolist()
        outline = [ring.flatten().tolist()] if kind == "polygon" else {"size": list(size), "counts": runs}
        (x, y), width = centre - radius, 2 * radius
        images.append({"id": number, "file_name": f"{number}.jpg", "width": size[1], "height": size[0]})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": [x, y, width, width], "segmentation": outline}
        )
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disk"}]}
    (tmp_path / "all.json").write_text(json.dumps(document))
    samples = Coco(root=str(tmp_path), file="all.json").read()
    loaded = [{k: v for k, v in samples.load(i, least).items() if k != "label"} for i in range(COUNT)]
    for name, offset in offsets(loaded).items():
        assert offset.abs().max() <= 0.05, (name, offset)
