"""Masks that are files: in folders, in lists, as numbers and as colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Auto, DataModule, Masks
from candelabra.data.samples import AmbiguousDataset
from candelabra.data.targets import MaskTarget
from candelabra.errors import CandelabraError
from tests.data.files import batch_of, treatments, write_image, write_mask


def test_masks_in_camvids_layout_ignore_void(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for i in range(2):
            write_image(tmp_path / split / f"{i}.jpg")
            values = np.zeros((16, 24))
            values[:, 12:], values[0, 0] = 1, 11
            write_mask(tmp_path / f"{split}annot" / f"{i}.png", values)
    data = DataModule(
        Masks(root=str(tmp_path), classes=["road", "car"], ignore=[11]), size=(16, 24), augment="none", batch_size=2
    )
    assert data.labels[MaskTarget].classes == ("road", "car")
    mask = batch_of(data)["mask"][0]
    assert mask.unique().tolist() == [0, 1, 255]
    assert DataModule(Masks(root=str(tmp_path), ignore=[11])).labels[MaskTarget].classes == ("0", "1")


def make_masks(root: Path, values: np.ndarray, count: int = 4) -> Path:
    for number in range(count):
        write_image(root / "images" / f"{number}.jpg")
        write_mask(root / "masks" / f"{number}.png", values)
    return root


def halves(left: int, right: int) -> np.ndarray:
    values = np.full((16, 24), left)
    values[:, 12:] = right
    return values


def test_lists_of_another_machine_are_found_by_their_ends(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_image(tmp_path / split / "0.jpg")
        write_mask(tmp_path / f"{split}annot" / "0.png", halves(0, 1))
        line = f"/SegNet/CamVid/{split}/0.jpg /SegNet/CamVid/{split}annot/0.png\n"
        (tmp_path / f"{split}.txt").write_text(line)
    with (tmp_path / "train.txt").open("a") as file:
        file.write("/etc/passwd /SegNet/CamVid/trainannot/0.png\n/ /\n. .\n")
    data = Masks(root=str(tmp_path))
    samples = data.read()
    assert samples.names == ["train/0.jpg", "val/0.jpg", "test/0.jpg"]
    assert samples.published.tolist() == ["train", "val", "test"]
    assert samples[0]["mask"].unique().tolist() == [0, 1]
    assert treatments(data) == {"listed image is not there: skipped": ["/etc/passwd", "/", "."]}


def test_values_of_0_and_255_have_names(tmp_path: Path) -> None:
    root = str(make_masks(tmp_path, halves(0, 255)))
    samples = Masks(root=root, values={"background": 0, "pet": 255}, ignore=[]).read()
    assert samples.labels[MaskTarget].classes == ("background", "pet")
    assert samples[0]["mask"][0, [0, 23]].tolist() == [0, 1]


def test_several_values_may_be_one_class(tmp_path: Path) -> None:
    root = str(make_masks(tmp_path, halves(2, 5)))
    samples = Masks(root=root, values={"background": 0, "person": [1, 2, 5]}).read()
    assert samples[0]["mask"].unique().tolist() == [1]


@pytest.mark.parametrize("listed", [False, True])
def test_colours_have_names(tmp_path: Path, listed: bool) -> None:
    make_masks(tmp_path, halves(0, 0))
    painted = np.zeros((16, 24, 3), np.uint8)
    painted[:, 12:], painted[0, 0], painted[1, 1] = (128, 64, 0), (1, 2, 3), (9, 9, 9)
    for number in range(4):
        Image.fromarray(painted).save(tmp_path / "masks" / f"{number}.png")
    colours: str | dict[str, list[int]] = {"void": [9, 9, 9], "sky": [0, 0, 0], "road": [128, 64, 0]}
    if listed:
        (tmp_path / "class_dict.csv").write_text("name,r,g,b\nvoid,9,9,9\nsky,0,0,0\nroad, 128, 64, 0\n")
        colours = "class_dict.csv"
    samples = Masks(root=str(tmp_path), colours=colours, ignore=["void"]).read()
    assert samples.labels[MaskTarget].classes == ("sky", "road")
    mask = samples[0]["mask"]
    assert [int(mask[y, x]) for y, x in ((0, 0), (1, 1), (5, 5), (5, 20))] == [255, 255, 0, 1]
    (odd,) = (each for each in samples.inspect(0) if each.what.startswith("mask with colours"))
    assert odd[1:3] == ("mask with colours of no class, ignored", "unlabelled")
    assert odd.detail == "1 of them: [1, 2, 3]: 0.3%"  # and not what is ignored on purpose
    other = Masks(root=str(tmp_path), colours={"sky": [0, 0, 0], "road": [1, 2, 3]}).read()
    assert samples.digest(0) != other.digest(0)


@pytest.mark.parametrize(
    ("image", "mask"),
    [("img_{}", "mask_{}"), ("{}", "mask{}"), ("image{}", "{}"), ("img_{}", "mask_img_{}"), ("frame {}", "gt-{}_L")],
)
def test_words_before_the_number_may_differ(tmp_path: Path, image: str, mask: str) -> None:
    make_masks(tmp_path, halves(0, 1))
    for number in range(4):
        for folder, name in (("images", image), ("masks", mask)):
            (path,) = (tmp_path / folder).glob(f"{number}.*")
            path.rename(path.with_stem(name.format(10 + number)))
    data = Masks(root=str(tmp_path))
    assert data.read().labelled()["mask"].tolist() == [True] * 4
    assert treatments(data) == {}


@pytest.mark.parametrize("options", [{}, {"classes": ["sky", "road"]}])
def test_colours_without_names_are_listed(tmp_path: Path, options: dict[str, object]) -> None:
    make_masks(tmp_path, halves(0, 1))
    painted = np.zeros((16, 24, 3), np.uint8)
    painted[:, 18:] = 128, 64, 0
    Image.fromarray(painted).save(tmp_path / "masks" / "2.png")
    words = r"hold colours: \[0, 0, 0\] \(75.0%\), \[128, 64, 0\] \(25.0%\)\. Name .*data\.colours=\{name: \[0, 0, 0\]"
    with pytest.raises(AmbiguousDataset, match=words) as raised:
        DataModule(Masks(root=str(tmp_path), **options)).open()  # type: ignore[arg-type]
    assert len(raised.value.samples) == 4
    assert raised.value.samples.labels.targets == ()
    with pytest.raises(AmbiguousDataset, match="looks like data=masks"):
        Auto(root=str(tmp_path)).read()


def test_an_image_without_a_mask_is_not_labelled_and_a_mask_without_an_image_left_out(tmp_path: Path) -> None:
    make_masks(tmp_path, halves(0, 1))
    (tmp_path / "masks" / "2.png").rename(tmp_path / "masks" / "9.png")
    data = Masks(root=str(tmp_path))
    assert data.read().labelled()["mask"].tolist() == [True, True, False, True]
    assert treatments(data) == {
        "image without a mask: unlabelled": ["images/2.jpg"],
        "mask without an image: skipped": ["masks/9.png"],
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": ["a", "a"]}, "names a class twice"),
        ({"values": {"a": 300}}, "numbers from 0 to 255"),
        ({"values": {"a": [0, 1], "b": 1}}, "each of one class"),
        ({"colours": {"a": [1, 2]}}, r"data\.colours\.a="),
        ({"colours": {"a": [1, 2, 3], "b": [1, 2, 3]}}, "the same colour"),
        ({"colours": "gone.csv"}, r"data\.colours="),
        ({"values": {"a": 0}, "classes": ["a"]}, "give one of them"),
        ({"ignore": ["void"]}, "names go with data.colours"),
        ({"ignore": [0, 1]}, "All pixels of the masks"),
        ({"images": "nowhere"}, "has no folders of images and masks"),
    ],
)
def test_masks_that_cannot_be_meant_are_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    make_masks(tmp_path, halves(0, 1))
    with pytest.raises(CandelabraError, match=words):
        DataModule(Masks(root=str(tmp_path), **options)).open()  # type: ignore[arg-type]


def test_masks_of_another_size_and_images_without_any_are_refused(tmp_path: Path) -> None:
    make_masks(tmp_path / "sizes", np.zeros((9, 9)), 1)
    write_image(tmp_path / "alone" / "images" / "a.png")
    (tmp_path / "alone" / "masks").mkdir()
    with pytest.raises(CandelabraError, match="9 x 9 pixels, the image"):
        DataModule(Masks(root=str(tmp_path / "sizes"))).open()
    with pytest.raises(CandelabraError, match="has no mask of its name"):
        DataModule(Masks(root=str(tmp_path / "alone"))).open()


@pytest.mark.real
def test_real_camvid(real: Path) -> None:
    data = DataModule(Masks(root=str(real / "camvid" / "CamVid"), ignore=[11]), size=(64, 96))
    samples = data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 367, "val": 101, "test": 233}
    assert len(samples.labels[MaskTarget].classes) == 11
    assert treatments(data.reader) == {}


@pytest.mark.real
def test_real_coco_masks(real: Path) -> None:
    samples = Masks(root=str(real / "coco128_multitask"), masks="semantic_segmentation/masks").read()
    assert (samples.published == "train").sum() == (samples.published == "val").sum() == 128
    assert samples.labelled()["mask"].sum() == 200


@pytest.mark.real
def test_real_pedestrians(real: Path) -> None:
    samples = Masks(
        root=str(real / "format_samples" / "PennFudanPed"),
        images="PNGImages",
        masks="PedMasks",
        values={"background": 0, "person": [1, 2, 3, 4, 5]},
    ).read()
    assert len(samples) == 5
    assert samples[0]["mask"].unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("images", "masks", "end"),
    [
        ("Training_Images", "Ground_Truth", "_mask"),
        ("imgs", "gt", "_GT"),
        ("Input", "TARGETS", ""),
        ("img", "labels", "_L"),
        ("images", "annotations", "_label"),
        ("train-images", "train-masks", ""),
    ],
)
def test_folders_of_usual_names_are_pairs_and_no_classes(tmp_path: Path, images: str, masks: str, end: str) -> None:
    for number in range(4):
        write_image(tmp_path / images / f"{number}.jpg")
        write_mask(tmp_path / masks / f"{number}{end}.png", halves(0, number % 2))
    auto = Auto(root=str(tmp_path))
    assert (auto.match.name, auto.match.evidence) == ("masks", f"{images} and {masks}")
    samples = auto.read()
    assert samples.names == [f"{images}/{number}.jpg" for number in range(4)]
    assert samples.published.tolist() == [""] * 4
    assert [samples[number]["mask"].unique().tolist() for number in range(2)] == [[0], [0, 1]]


@pytest.mark.parametrize("layout", ["{split}/images {split}/labels", "{split}_images {split}_masks"])
def test_folders_of_usual_names_are_found_in_each_split(tmp_path: Path, layout: str) -> None:
    for split in ("train", "valid"):
        images, masks = layout.format(split=split).split()
        for number in range(3):
            write_image(tmp_path / images / f"{number}.jpg")
            write_mask(tmp_path / masks / f"{number}.png", halves(0, 1))
    samples = Auto(root=str(tmp_path)).read()
    assert samples.labels.targets == ("mask",)
    assert samples.published.tolist() == ["train"] * 3 + ["val"] * 3


def test_folders_of_usual_names_that_do_not_fit_are_refused_in_words(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "Training_Images" / f"{number}.jpg")
        write_mask(tmp_path / "Ground_Truth" / f"other{number}.png", halves(0, 1))
    with pytest.raises(CandelabraError, match=r"looks like data=masks .* has no mask of its name"):
        Auto(root=str(tmp_path)).read()
    write_mask(tmp_path / "labels" / "0.png", halves(0, 1))
    with pytest.raises(CandelabraError, match="looks like no format"):  # which of both has the masks?
        Auto(root=str(tmp_path)).read()
    samples = Masks(root=str(tmp_path), images="Training_Images", masks="labels").read()
    assert samples.labelled()["mask"].tolist() == [True, False, False]


def test_pictures_beside_annotations_of_another_format_are_no_masks(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.jpg")
        write_mask(tmp_path / "annotations" / f"{number}.png", halves(0, 1))
    assert Auto(root=str(tmp_path)).match.name == "masks"
    (tmp_path / "annotations" / "instances.json").write_text("{}")
    with pytest.raises(CandelabraError, match="looks like no format"):
        Auto(root=str(tmp_path)).read()
