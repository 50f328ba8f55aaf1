"""What becomes of odd masks; docs/issues.md lists every case."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data.decoding.mask_fitting import describe_misfit
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import IssueTreatment
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED
from tests.data.builders import build_file_samples, make_labels
from tests.data.files import found, grey, written

USED, REPAIRED, UNLABELLED, SKIPPED = (
    IssueTreatment.USED,
    IssueTreatment.REPAIRED,
    IssueTreatment.UNLABELLED,
    IssueTreatment.SKIPPED,
)


def masked(root: Path, *masks: Image.Image, size: tuple[int, int] = (24, 16), **options: object) -> FileSamples:
    """Images with these masks, whose numbers 0 and 1 are classes and 9 is ignored."""
    for number, mask in enumerate(masks):
        written(root / f"{number}.jpg", Image.new("RGB", size, "green"), **options)
        written(root / f"{number}.png", mask)
    meaning = np.full(256, IGNORED, np.uint8)
    meaning[:2] = 0, 1
    return build_file_samples(
        root,
        [f"{number}.jpg" for number in range(len(masks))],
        make_labels(mask_classes=("a", "b")),
        np.array([""] * len(masks)),
        masks=[f"{number}.png" for number in range(len(masks))],
        meaning=meaning,
        ignored=(9, 255),
    )


def halves(width: int, height: int) -> np.ndarray:
    return np.tile(np.arange(width) >= width / 2, (height, 1)).astype(np.uint8)


@pytest.mark.parametrize("size", [(12, 8), (48, 32), (25, 16), (11, 8)])
def test_masks_of_another_size_are_resized(tmp_path: Path, size: tuple[int, int]) -> None:
    records = masked(tmp_path, grey(halves(*size)))
    assert ("mask of another size, resized", REPAIRED) in found(records.inspect(0))
    assert not records.verify()
    assert found(records.issues) == [("mask of another size, resized", REPAIRED)]
    mask = records[0]["mask"].numpy()
    assert mask.shape == (16, 24)
    assert (mask == halves(24, 16)).mean() > 0.95


def test_masks_of_another_shape_do_not_label(tmp_path: Path) -> None:
    records = masked(tmp_path, grey(halves(24, 16)), grey(halves(16, 24)), grey(halves(9, 9)))
    assert ("mask of another shape than its image", UNLABELLED) in found(records.inspect(2))
    assert records[2]["mask"].unique().tolist() == [IGNORED]
    assert not records.verify()
    assert records.labelled()["mask"].tolist() == [True, False, False]
    assert [each.name for each in records.issues] == ["1.jpg", "2.jpg"]
    with pytest.raises(CandelabraError, match=r"9 x 9 pixels, the image 24 x 16; is data\.root right"):
        masked(tmp_path, grey(halves(9, 9))).verify()


def test_masks_of_the_stored_image_turn_as_it_does(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    records = masked(tmp_path, grey(halves(24, 16)), exif=exif)
    assert ("mask of the image before EXIF turned it, turned as well", REPAIRED) in found(records.inspect(0))
    assert records[0]["image"].shape == (3, 24, 16)
    assert (records[0]["mask"].numpy() == halves(24, 16).T).all()
    assert describe_misfit((16, 24), (16, 24), 6) is None


def test_masks_that_cannot_be_read_do_not_label(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = masked(tmp_path, *[grey(np.random.default_rng(0).integers(0, 2, (16, 24)))] * 4)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:-40])
    (tmp_path / "2.png").unlink()
    (tmp_path / "3.png").unlink()
    (tmp_path / "3.png").symlink_to("/dev/zero")
    assert len(records.digest(2)) == 20
    assert records[1]["mask"].unique().tolist() == [IGNORED]
    assert [each[0] for each in found(records.inspect(3))] == ["mask that cannot be read"]
    records[1]
    assert len(caplog.records) == 1
    assert not records.verify()
    assert found(records.issues) == [("mask that cannot be read", UNLABELLED)] * 3
    assert records.labelled()["mask"].tolist() == [True, False, False, False]


def test_masks_of_colours_are_refused_before_training_and_grey_ones_are_not(tmp_path: Path) -> None:
    same = grey(halves(24, 16)).convert("RGB")
    records = masked(tmp_path, same)
    assert not records.verify()
    assert (records[0]["mask"].numpy() == halves(24, 16)).all()
    assert ("mask kept as grey colours", REPAIRED) in found(records.inspect(0))
    with pytest.raises(CandelabraError, match=r"holds colours; name the class of each colour with data\.colours"):
        masked(tmp_path, same, Image.new("RGB", (24, 16), "red")).verify()


def test_numbers_of_no_class_are_ignored_and_listed(tmp_path: Path) -> None:
    values = halves(24, 16)
    strange, void, binary = values.copy(), values.copy(), values * 255
    strange[:4], void[:4] = 7, 9
    records = masked(tmp_path, *map(grey, (strange, void, binary, values * 0)))
    assert records[0]["mask"].unique().tolist() == [0, 1, IGNORED]
    kinds = ["mask with numbers of no class, ignored", "", "mask of 0 and 255 alone, of which 255 is ignored"]
    for index, kind in enumerate([*kinds, "mask of a single class"]):
        assert [each[0] for each in found(records.inspect(index))] == ([kind] if kind else [])
    assert records.inspect(0)[0].detail == "7: 25.0%"
