"""Four images in one: where their objects lie, what is refused, and that a sample stays a function of its key."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import DataModule, DatasetPart, Voc
from candelabra.data.loading.union import Union
from candelabra.data.samples import make_sample
from candelabra.data.targets import BoxesTarget, Labels, LabelTarget
from candelabra.data.transforms.mosaic import Mosaic
from candelabra.data.transforms.resize import Crop, Stretch
from candelabra.errors import CandelabraError
from candelabra.types import Sample
from tests.data.readers.test_voc import xml

LABELS = Labels(BoxesTarget(("red", "blue")))


def make_plain(grey: int, *rows: list[float], size: tuple[int, int] = (20, 40)) -> Sample:
    image = torch.full((3, *size), grey, dtype=torch.uint8)
    return make_sample(image, LABELS, {"boxes": torch.tensor(rows).reshape(-1, 6)})


def test_objects_lie_in_the_quarter_of_their_image() -> None:
    samples = [make_plain(10, [4.0, 2, 20, 10, 0, 1]), make_plain(60), make_plain(110, [0.0, 0, 40, 20, 1, 0])]
    samples.append(make_plain(160, [20.0, 10, 40, 20, 1, 1], [0.0, 0, 8, 4, 0, 1]))
    sheet = Mosaic(LABELS, Stretch((32, 32)), 1.0).join(samples)
    assert sheet["image"].shape == (3, 64, 64)
    assert [int(sheet["image"][0, y, x]) for y in (0, 31, 32, 63) for x in (0, 31, 32, 63)] == [
        *[10, 10, 60, 60] * 2,
        *[110, 110, 160, 160] * 2,
    ]
    expected = [[3.2, 3.2, 16, 16, 0, 1], [0, 32, 32, 64, 1, 0], [48, 48, 64, 64, 1, 1], [32, 32, 38.4, 38.4, 0, 1]]
    torch.testing.assert_close(sheet["boxes"].as_subclass(torch.Tensor), torch.tensor(expected))


def test_what_a_crop_cuts_off_does_not_reach_into_the_next_image() -> None:
    whole = make_plain(10, [0.0, 0, 40, 20, 0, 1])  # 40 x 20, of which the middle is seen
    sheet = Mosaic(LABELS, Crop((16, 16)), 1.0).join([whole, make_plain(60), make_plain(60), make_plain(60)])
    assert sheet["boxes"].tolist() == [[0, 0, 16, 16, 0, 1]]


def test_an_image_without_labels_makes_no_mosaic_and_other_targets_refuse_it() -> None:
    unknown = make_plain(60, [float("nan")] * 6)
    samples = [make_plain(10), make_plain(20), unknown, make_plain(30)]
    assert Mosaic(LABELS, Stretch((32, 32)), 1.0).join(samples) is samples[0]
    with pytest.raises(
        CandelabraError, match=r"they label label; keep lists of objects alone with data.targets=\[boxes"
    ):
        Mosaic(Labels(LabelTarget(("a",)), BoxesTarget(("a",))), Stretch((32, 32)), 0.5)
    assert Mosaic(Labels(LabelTarget(("a",))), Stretch((32, 32)), 0.0).draw_partners(9, 0) == []
    with pytest.raises(CandelabraError, match=r"data.mosaic=2 is not a fraction"):
        DataModule(Voc(root="unread"), mosaic=2)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images of 60 x 40, each with a red rectangle on grey; files of VOC."""
    rng = np.random.default_rng(0)
    for number in range(12):
        picture = np.full((40, 60, 3), 120, np.uint8)
        left, top = int(rng.integers(4, 20)), int(rng.integers(4, 12))
        picture[top : top + 20, left : left + 28] = (250, 0, 0)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.xml").write_text(xml(("red", left + 1, top + 1, left + 28, top + 20)))
    return tmp_path


def test_boxes_lie_on_their_objects_after_all_transforms(photos: Path) -> None:
    data = DataModule(Voc(root=str(photos)), size=96, mosaic=1.0, val=0.0, test=0.0, targets=["boxes"], workers=0)
    dataset, counts = data.dataset("train"), []
    for key in range(36):
        sample = dataset[key]
        red = (sample["image"][0].float() - sample["image"][1].float() > 90).float()
        rows = sample["boxes"]
        counts.append(len(rows))
        for left, top, right, bottom in rows[:, :4].round().int().tolist():
            assert red[top + 1 : bottom - 1, left + 1 : right - 1].mean() > 0.95
        inside = sum(float((row[2] - row[0]) * (row[3] - row[1])) for row in rows)
        assert inside >= 0.8 * float(red.sum())  # all but slivers that a crop left
    assert max(counts) == 4
    again = DataModule(Voc(root=str(photos)), size=96, mosaic=1.0, val=0.0, test=0.0, targets=["boxes"], workers=0)
    assert torch.equal(again.dataset("train")[17]["image"], dataset[17]["image"])
    assert again.dataset("val").pipeline.of(0).mosaic is None


def test_sets_of_a_union_are_put_together_and_each_goes_by_its_own_options(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    Image.new("RGB", (60, 40), (0, 0, 200)).save(other / "0.png")
    (other / "0.xml").write_text(xml(("blue", 1, 1, 60, 40)))
    words = {"val": 0.0, "test": 0.0, "targets": ["boxes"]}
    own = DatasetPart(Voc(root=str(photos)), **words)
    union = Union({"red": own, "blue": DatasetPart(Voc(root=str(other)), **words)}, size=64, mosaic=1.0, workers=0)
    dataset = union.dataset("train")
    rows = [dataset[key]["boxes"] for key in range(26)]
    found = [{int(number) for number in each[each[:, 5] > 0][:, 4]} for each in rows]
    assert {0, 1} in found  # of both sets
    assert max(len(each[each[:, 5] > 0]) for each in rows) == 4
    assert all(len(each[each[:, 5] == 0]) for each in rows)  # regions where nobody looked for the other class
    part = dataset.pipeline.of(0)
    assert part.labels.min_visible == 0.2
    strict = Union({"red": DatasetPart(own.reader, min_visible=0.9, **words)}, size=64, workers=0)
    assert strict.dataset("train").pipeline.of(0).labels.min_visible == 0.9


def test_the_key_of_cached_features_changes_with_each_of_the_four_images(photos: Path) -> None:
    words = {"size": 32, "augment": "none", "views": 2, "val": 0.0, "test": 0.0, "targets": ["boxes"], "workers": 0}
    before, alone = (DataModule(Voc(root=str(photos)), mosaic=share, **words).dataset("train") for share in (1.0, 0.0))
    keys = [before.digest(key) for key in range(24)]
    assert len(set(keys)) == 24
    plain = [alone.digest(key) for key in range(12)]
    Image.new("RGB", (60, 40), (0, 200, 0)).save(photos / "3.png")
    changed = sum(before.digest(key) != found for key, found in enumerate(keys))
    assert sum(alone.digest(key) != found for key, found in enumerate(plain)) == 1
    assert changed > 2
