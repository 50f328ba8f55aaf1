"""Every line of the bundle of odd files: what is told of it, and what is labelled in the end."""

import csv
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from xml.etree import ElementTree

import numpy as np
import pytest

from candelabra.data import Pets, Table
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import IssueTreatment
from candelabra.data.targets.box import BoxColumn
from candelabra.errors import UnreadableFile
from tests.data.builders import build_file_samples, make_labels
from tests.data.files import found

USED, REPAIRED, UNLABELLED, SKIPPED = (
    IssueTreatment.USED,
    IssueTreatment.REPAIRED,
    IssueTreatment.UNLABELLED,
    IssueTreatment.SKIPPED,
)


def pets(real: Path, tmp_path: Path) -> FileSamples:
    """The three pets of the bundle as the whole set has them; one lacks its trimap here."""
    source, names = real / "oddities" / "pets", ("Abyssinian_34", "Abyssinian_5", "Bengal_105")
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (tmp_path / folder).mkdir(parents=True)
    for split, listed in (("trainval", names[:2]), ("test", names[2:])):
        lines = [f"{name} {1 + name.startswith('Bengal')} 1 1" for name in listed]
        (tmp_path / "annotations" / f"{split}.txt").write_text("\n".join(lines))
    for name in names:
        copyfile(source / f"{name}.jpg", tmp_path / "images" / f"{name}.jpg")
        if not name.startswith("Bengal"):
            copyfile(source / f"{name}_trimap.png", tmp_path / "annotations" / "trimaps" / f"{name}.png")
    copyfile(source / "Bengal_105.xml", tmp_path / "annotations" / "xmls" / "Bengal_105.xml")
    return Pets(root=str(tmp_path)).read()  # type: ignore[return-value]


def voc(folder: Path, name: str) -> FileSamples:
    """One image and the first box of its file."""
    box = ElementTree.parse(folder / f"{name}.xml").findall("object/bndbox")[-1]
    corners = [float(box.findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax")]
    labels = make_labels(box=True)
    return build_file_samples(folder, [f"{name}.jpg"], labels, np.array([""]), box=np.array([corners], np.float32))


def rows(real: Path, tmp_path: Path) -> FileSamples:
    """The lines of coco128 as rows of a table; a label file without rows is a row without labels."""
    source, lines = real / "oddities" / "coco128", ["image,xmin,ymin,xmax,ymax"]
    for number, box in (("250", ",,,"), ("656", "1,1,9,9"), ("508", ",,,"), ("086", "1,1,9,9")):
        image = source / f"000000000{number}.jpg"
        if image.is_file():
            copyfile(image, tmp_path / image.name)
        if number == "508":
            assert not (source / f"000000000{number}.txt").read_bytes()
            copyfile(source / "000000000250.jpg", tmp_path / image.name)
        lines.append(f"{image.name},{box}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return Table(root=str(tmp_path)).read()  # type: ignore[return-value]


def points(folder: Path, file: str) -> FileSamples:
    return Table(root=str(folder), file=file, points=68).read()  # type: ignore[return-value]


GREY, OPAQUE, MISNAMED = (
    "grey, kept as colours",
    "alpha channel, all opaque",
    "named as another kind of image than it is",
)


OUTSIDE, NO_AREA = "keypoints outside the image", "box outside the image, or of no area in it"


BUNDLE: dict[str, tuple[Callable[[Path, Path], FileSamples], int, list[tuple[str, str]]]] = {
    # how it is read, index of the sample, all that is odd about its image, box and points, and what is done
    "kangaroo/00090.jpg": (lambda real, _: voc(real / "oddities/kangaroo", "00090"), 0, [("unreadable", SKIPPED)]),
    "kangaroo/00103.jpg": (
        lambda real, _: voc(real / "oddities/kangaroo", "00103"),
        0,
        [("EXIF orientation that is none", USED)],
    ),
    "pets/Abyssinian_34.jpg": (pets, 0, [(MISNAMED, USED)]),
    "pets/Abyssinian_34_trimap.png": (pets, 0, [("mask of a single class", USED)]),
    "pets/Abyssinian_5.jpg": (pets, 1, [(OPAQUE, USED), (MISNAMED, USED)]),
    "pets/Abyssinian_5_trimap.png": (pets, 1, []),
    "pets/Bengal_105.jpg": (pets, 2, []),
    "raccoon/raccoon-150.jpg": (
        lambda real, _: voc(real / "oddities/raccoon", "raccoon-150"),
        0,
        [("one channel", USED)],
    ),
    "coco128/000000000250.jpg": (rows, 0, []),
    "coco128/000000000656.txt": (rows, 1, [("unreadable", SKIPPED)]),
    "coco128/000000000508.txt": (rows, 2, []),
    "coco128/000000000086.jpg": (rows, 3, [("one channel", USED)]),
    "bccd/BloodImage_00338.jpg": (
        lambda real, _: voc(real / "oddities/bccd", "BloodImage_00338"),
        0,
        [],
    ),
    "bccd/BloodImage_00338.xml": (lambda real, _: degenerate(real / "oddities/bccd"), 0, [(NO_AREA, UNLABELLED)]),
    "p1/Eliza_Dushku_20.jpg": (
        lambda real, _: points(real / "oddities/p1", "keypoints.csv"),
        0,
        [(OPAQUE, USED), (MISNAMED, USED), (OUTSIDE, UNLABELLED)],
    ),
    "faces/137341995_e7c48e9a75.jpg": (
        lambda real, _: points(real / "oddities/faces", "face_landmarks.csv"),
        0,
        [(GREY, USED), (OUTSIDE, UNLABELLED)],
    ),
}


LABELS = {  # whose treatment is that of the image beside
    "kangaroo/00090.xml": "kangaroo/00090.jpg",
    "kangaroo/00103.xml": "kangaroo/00103.jpg",
    "pets/Bengal_105.xml": "pets/Bengal_105.jpg",
    "raccoon/raccoon-150.xml": "raccoon/raccoon-150.jpg",
    "p1/keypoints.csv": "p1/Eliza_Dushku_20.jpg",
    "faces/face_landmarks.csv": "faces/137341995_e7c48e9a75.jpg",
}


LABELLED = {  # what is labelled in the end: box, number of points, classes of the mask
    "kangaroo/00103.xml": (True, None, None),
    "pets/Abyssinian_34_trimap.png": (False, None, [0]),
    "pets/Abyssinian_5_trimap.png": (False, None, [0, 1, 255]),
    "pets/Bengal_105.xml": (False, None, [255]),
    "raccoon/raccoon-150.xml": (True, None, None),
    "coco128/000000000250.jpg": (False, None, None),
    "coco128/000000000508.txt": (False, None, None),
    "bccd/BloodImage_00338.xml": (False, None, None),
    "p1/keypoints.csv": (None, 63, None),
    "faces/face_landmarks.csv": (None, 65, None),  # of the four, one lies on the border
}


def degenerate(folder: Path) -> FileSamples:
    records = voc(folder, "BloodImage_00338")
    boxes = ElementTree.parse(folder / "BloodImage_00338.xml").findall("object/bndbox")
    corners = [[float(side.text or "nan") for side in box] for box in boxes]
    degenerate_box = np.array([next(box for box in corners if box[0] == box[2])], np.float32)
    records.columns = [BoxColumn(degenerate_box)]
    return records


@pytest.mark.real
@pytest.mark.parametrize("file", [*BUNDLE, *LABELS])
def test_every_line_of_the_bundle(real: Path, tmp_path: Path, file: str) -> None:
    make, index, odd = BUNDLE[LABELS.get(file, file)]
    records = make(real, tmp_path)
    listed = found(records.inspect(index))
    assert [pair for pair in listed if pair[0].startswith("mask") == file.endswith("trimap.png")] == odd
    bad = records.verify()
    assert (index in bad) == (("unreadable", SKIPPED) in odd)
    if index in bad:
        with pytest.raises(UnreadableFile):
            records.load(index)
        return
    sample = records.load(index, (64, 64))
    assert sample["image"].dtype.is_floating_point is False
    assert sample["image"].shape[0] == 3
    box, count, mask = LABELLED.get(file, (None, None, None))
    assert box is None or bool(sample["box"].isfinite().all()) == box
    assert count is None or int(sample["keypoints"].isfinite().all(1).sum()) == count
    assert mask is None or sample["mask"].unique().tolist() == mask


@pytest.mark.real
def test_the_bundle_has_no_other_lines(real: Path) -> None:
    with (real / "oddities" / "manifest.csv").open() as file:
        assert {row["file"] for row in csv.DictReader(file)} == {*BUNDLE, *LABELS}
