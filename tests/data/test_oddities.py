"""What a data set does with odd samples, from its files to the batch; docs/oddities.md lists every case."""

import csv
import logging
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Folder, Pets, Table
from candelabra.data.augment.resizing import resize_by
from candelabra.data.augment.transforms import evaluation
from candelabra.data.datamodule import DataModule
from candelabra.data.decoding.fitting import misfit
from candelabra.data.oddities import Oddity, Treatment, write_oddities
from candelabra.data.prepared import Prepared
from candelabra.data.records import Records
from candelabra.errors import CandelabraError, Unreadable
from candelabra.prediction import predict
from candelabra.run import train
from candelabra.types import IGNORED, Labels
from tests.conftest import Compose

NAN = float("nan")
USED, REPAIRED, UNLABELLED, SKIPPED = Treatment.USED, Treatment.REPAIRED, Treatment.UNLABELLED, Treatment.SKIPPED


def written(path: Path, image: Image.Image, **options: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path.name


def grey(values: list[list[int]] | np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


def found(oddities: object) -> list[tuple[str, str]]:
    return [(each.what, each.treatment) for each in oddities]  # type: ignore[attr-defined]


def boxed(root: Path, box: list[float], points: list[list[float]] | None = None) -> Records:
    """One image of 20 x 10 pixels."""
    written(root / "a.png", Image.effect_noise((20, 10), 50).convert("RGB").rotate(0), optimize=False)
    names = tuple(map(str, range(len(points or ()))))
    return Records(
        root,
        ["a.png"],
        Labels(box=True, keypoints=names),
        np.array([""]),
        box=np.array([box], np.float32),
        keypoints=np.array([points], np.float32) if points else None,
    )


@pytest.mark.parametrize(
    ("box", "used", "odd"),
    [
        ([1, 2, 5, 6], [1, 2, 5, 6], []),
        ([0, 0, 20, 10], [0, 0, 20, 10], []),
        ([-0.5, 0, 21, 10], [0, 0, 20, 10], []),  # who counts from 1
        ([-5, 2, 5, 16], [0, 2, 5, 10], [("box partly outside the image, cut", REPAIRED)]),
        ([15, 2, 99, 6], [15, 2, 20, 6], [("box partly outside the image, cut", REPAIRED)]),
        ([25, 2, 30, 6], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([-9, 2, 0, 6], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([3, 3, 3, 3], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([5, 6, 1, 2], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([NAN, 0, 5, 5], None, []),
        ([0, 0, float("inf"), 5], [0, 0, 20, 5], [("box partly outside the image, cut", REPAIRED)]),
    ],
)
def test_boxes_end_at_the_border(
    tmp_path: Path, box: list[float], used: list[float] | None, odd: list[tuple[str, str]]
) -> None:
    records = boxed(tmp_path, box)
    assert [pair for pair in found(records.inspect(0)) if "box" in pair[0]] == odd
    for _ in range(2):  # before and after it was verified: the same
        given = records[0]["box"].flatten()
        assert given.isnan().all() if used is None else given.tolist() == used
        assert not records.verify()
    assert found(records.oddities) == odd
    assert bool(records.labelled()["box"][0]) == (used is not None)
    assert not [pair for pair in found(records.inspect(0)) if "box" in pair[0]]  # listed once


def test_points_outside_are_not_labelled(tmp_path: Path) -> None:
    points = [[1, 1], [20, 10], [-1, 5], [21, 5], [5, 10.5], [NAN, NAN], [NAN, 3], [float("inf"), 1]]
    records = boxed(tmp_path, [1, 1, 5, 5], points)
    odd = [("keypoints outside the image", UNLABELLED), ("keypoints of which a number is missing", UNLABELLED)]
    assert [pair for pair in found(records.inspect(0)) if "points" in pair[0]] == odd
    for _ in range(2):
        assert records[0]["keypoints"].isnan().any(1).tolist() == [False, False] + [True] * 6
        assert records[0]["keypoints"].isnan().all(1).tolist() == [False, False] + [True] * 6
        records.verify()
    assert found(records.oddities) == odd
    assert records.oddities[0].detail == "3 of 5"


def masked(root: Path, *masks: Image.Image, size: tuple[int, int] = (24, 16), **options: object) -> Records:
    """Images with these masks, whose numbers 0 and 1 are classes and 9 is ignored."""
    for number, mask in enumerate(masks):
        written(root / f"{number}.jpg", Image.new("RGB", size, "green"), **options)
        written(root / f"{number}.png", mask)
    meaning = np.full(256, IGNORED, np.uint8)
    meaning[:2] = 0, 1
    return Records(
        root,
        [f"{number}.jpg" for number in range(len(masks))],
        Labels(mask_classes=("a", "b")),
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
    assert found(records.oddities) == [("mask of another size, resized", REPAIRED)]
    mask = records[0]["mask"].numpy()
    assert mask.shape == (16, 24)
    assert (mask == halves(24, 16)).mean() > 0.95


def test_masks_of_another_shape_do_not_label(tmp_path: Path) -> None:
    records = masked(tmp_path, grey(halves(24, 16)), grey(halves(16, 24)), grey(halves(9, 9)))
    assert ("mask of another shape than its image", UNLABELLED) in found(records.inspect(2))
    assert records[2]["mask"].unique().tolist() == [IGNORED]
    assert not records.verify()
    assert records.labelled()["mask"].tolist() == [True, False, False]
    assert [each.name for each in records.oddities] == ["1.jpg", "2.jpg"]
    with pytest.raises(CandelabraError, match=r"9 x 9 pixels, the image 24 x 16; is data\.root right"):
        masked(tmp_path, grey(halves(9, 9))).verify()


def test_masks_of_the_stored_image_turn_as_it_does(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    records = masked(tmp_path, grey(halves(24, 16)), exif=exif)
    assert ("mask of the image before EXIF turned it, turned as well", REPAIRED) in found(records.inspect(0))
    assert records[0]["image"].shape == (3, 24, 16)
    assert (records[0]["mask"].numpy() == halves(24, 16).T).all()
    assert misfit((16, 24), (16, 24), 6) is None


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
    assert found(records.oddities) == [("mask that cannot be read", UNLABELLED)] * 3
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


def test_inspection_tells_what_pixels_tell(tmp_path: Path) -> None:
    photo = Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 20)
    colour = Image.merge("RGB", (photo, photo.rotate(90), photo.rotate(180)))
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = [
        written(tmp_path / "plain.JPG", colour),
        written(tmp_path / "gif.jpg", colour.quantize(16), format="GIF", save_all=True, append_images=[photo]),
        written(tmp_path / "grey.png", photo.convert("RGB")),
        written(tmp_path / "one.jpeg", photo),
        "empty.jpg",
        "missing.jpg",
        "/etc/hostname",
    ]
    records = Records(tmp_path, names, Labels(), np.array([""] * len(names)))
    assert [found(records.inspect(index)) for index in range(len(names))] == [
        [],
        [("named as another kind of image than it is", USED), ("several images in one file, the first used", USED)],
        [("grey, kept as colours", USED)],
        [("one channel", USED)],
        [("unreadable", SKIPPED)],
        [("unreadable", SKIPPED)],
        [("unreadable", SKIPPED)],
    ]
    assert list(records.verify()) == [4, 5, 6]
    assert all(each.name == names[index] for index in range(len(names)) for each in records.inspect(index))


def broken_folder(root: Path) -> Path:
    """Two classes with 12 images each; of each class one is empty, one cut, one a link that leaves the root."""
    photo = Image.effect_noise((30, 20), 50)
    written(root.parent / "away.jpg", photo)
    for name in ("cat", "dog"):
        for number in range(9):
            written(root / name / f"{number}.jpg", photo.rotate(number))
        content = (root / name / "0.jpg").read_bytes()
        (root / name / "empty.jpg").write_bytes(b"")
        (root / name / "cut.jpg").write_bytes(content[:-50])
        (root / name / "away.jpg").symlink_to("../../away.jpg")
    return root


def test_bad_images_are_left_out_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = broken_folder(tmp_path / "root")
    data = Folder(root=str(root), size=16, batch_size=4, workers=0, val=0.2, test=0.2)
    names = data.open().names
    used = {names[index] for part in data.parts.values() for index in part}
    assert len(used) == 18
    assert not any(Path(name).stem in ("empty", "cut", "away") for name in used)
    assert "6 of 24 images cannot be used" in caplog.text
    assert {(each.what, each.treatment) for each in data.oddities} == {("unreadable", SKIPPED)}
    assert {Path(each.name).stem for each in data.oddities} == {"empty", "cut", "away"}
    with pytest.raises(CandelabraError, match=r"6 of 24 .*truncated.*data\.on_bad=skip"):
        Folder(root=str(root), on_bad="raise").open()


@pytest.fixture
def spoilt(tmp_path: Path) -> tuple[DataModule, Path]:
    """A data set of which an image is damaged once it was verified, as a disk may do to it."""
    for name in ("cat", "dog"):
        for number in range(9):
            written(tmp_path / "root" / name / f"{number}.png", Image.effect_noise((30, 20), 50).rotate(number))
    data = Folder(root=str(tmp_path / "root"), size=16, batch_size=4, augment="none", val=0.2, test=0.2)
    data.open()
    path = tmp_path / "root" / data.open().names[data.parts["train"][0]]
    path.write_bytes(path.read_bytes()[:60])
    return data, path


@pytest.mark.parametrize("workers", [0, 2])
def test_what_breaks_in_training_is_stood_in_for_and_counted(
    spoilt: tuple[DataModule, Path], workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    data, path = spoilt
    data.workers = workers
    loader = data.train_dataloader()
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        batches = list(loader)
        assert sum(int((batch["label"] == -1).sum()) for batch in batches) == 1  # type: ignore[typeddict-item]
    assert data.replaced.nonzero().flatten().tolist() == [data.parts["train"][0]]
    if not workers:
        assert [record.levelno for record in caplog.records] == [logging.WARNING]  # once, not in each epoch
        assert path.name in caplog.text


def test_digests_of_what_cannot_be_read_do_not_stop_a_run(spoilt: tuple[DataModule, Path]) -> None:
    data, path = spoilt
    path.unlink()
    prepared = data.prepared("train")
    digests = {prepared.digest(key) for key in range(len(prepared))}
    assert len(digests) == len(prepared)
    assert prepared[0]["image"].unique().tolist() == [128]
    strict = Prepared(data.open(), data.parts["train"], evaluation(resize_by("stretch", (16, 16))), 0)
    for read in (strict.digest, strict.__getitem__):
        with pytest.raises(Unreadable, match="No such file"):
            read(0)


@pytest.mark.parametrize(
    "error", [MemoryError(), SyntaxError("x"), OverflowError(), RuntimeError("x"), KeyError(1), RecursionError()]
)
def test_whatever_a_decoder_raises_is_unreadable(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = boxed(tmp_path, [1, 1, 5, 5])

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("candelabra.data.decoding.images.colours", fail)
    with pytest.raises(Unreadable, match=r"a\.png cannot be read"):
        records.load(0)


def test_names_of_any_bytes_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_oddities([Oddity(name, "unreadable", SKIPPED, name)], tmp_path / "oddities.csv")
    with (tmp_path / "oddities.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"name": r"caf\udce9.png", "what": "unreadable", "treatment": "skipped", "detail": r"caf\udce9.png"}
    ]


@pytest.mark.parametrize("finetune", ["scratch", "frozen"])
def test_a_run_on_odd_files_ends_well_and_says_what_was_odd(tmp_path: Path, tiny: Compose, finetune: str) -> None:
    root = broken_folder(tmp_path / "root")
    name = os.fsdecode(b"caf\xe9 \xff")
    for kind in ("cat", name):
        for number in range(9):
            written(root / kind / f"{name}{number}.JPG", Image.effect_noise((30, 20), 50).rotate(number), format="JPEG")
    written(root / "dog" / f"{'n' * 240}.png", Image.effect_noise((30, 20), 50))
    train(tiny("data=folder", f"data.root={root}", "trainer.max_epochs=1", f"finetune={finetune}", "data.augment=none"))
    with (tmp_path / "train" / "oddities.csv").open(encoding="utf-8") as file:
        assert [row["treatment"] for row in csv.DictReader(file)] == ["skipped"] * 6
    with (tmp_path / "train" / "splits.csv").open(encoding="utf-8") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    assert len(names) == 37
    assert r"caf\udce9 \udcff/caf\udce9 \udcff3.JPG" in names
    if finetune == "frozen":
        return
    predict(tiny(f"checkpoint={tmp_path / 'train'}", f"source={root}", "trainer=cpu", "pictures=50", command="predict"))
    with (tmp_path / "predict" / "predictions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 37 + 2  # a source is what was typed: its links are followed
    with (tmp_path / "predict" / "unreadable.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert len(list((tmp_path / "predict" / "pictures").iterdir())) == 39


def pets(real: Path, tmp_path: Path) -> Records:
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


def voc(folder: Path, name: str) -> Records:
    """One image and the first box of its file."""
    box = ElementTree.parse(folder / f"{name}.xml").findall("object/bndbox")[-1]
    corners = [float(box.findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax")]
    labels = Labels(box=True)
    return Records(folder, [f"{name}.jpg"], labels, np.array([""]), box=np.array([corners], np.float32))


def rows(real: Path, tmp_path: Path) -> Records:
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


def points(folder: Path, file: str) -> Records:
    return Table(root=str(folder), file=file, points=68).read()  # type: ignore[return-value]


GREY, OPAQUE, MISNAMED = (
    "grey, kept as colours",
    "alpha channel, all opaque",
    "named as another kind of image than it is",
)
OUTSIDE, NO_AREA = "keypoints outside the image", "box outside the image, or of no area in it"
BUNDLE: dict[str, tuple[Callable[[Path, Path], Records], int, list[tuple[str, str]]]] = {
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


def degenerate(folder: Path) -> Records:
    records = voc(folder, "BloodImage_00338")
    boxes = ElementTree.parse(folder / "BloodImage_00338.xml").findall("object/bndbox")
    corners = [[float(side.text or "nan") for side in box] for box in boxes]
    records.box = np.array([next(box for box in corners if box[0] == box[2])], np.float32)
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
        with pytest.raises(Unreadable):
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
