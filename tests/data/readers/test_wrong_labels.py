"""Data sets whose labels, splits or objects were once read wrongly without a word."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Coco, DataModule, Folder, LabelMaps, Masks, Pts, Table, Voc
from candelabra.data.readers.table_cells import load_tables_by_split
from candelabra.data.targets import BoxesTarget, LabelTarget
from candelabra.data.targets.instance_maps import unpack_numbers
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

COCO = {"categories": [{"id": 1, "name": "small"}, {"id": 2, "name": "big"}]}


def write_coco(path: Path, names: list[str], annotations: list[dict[str, object]]) -> None:
    images = [{"id": number, "file_name": name, "width": 64, "height": 48} for number, name in enumerate(names)]
    path.write_text(json.dumps({**COCO, "images": images, "annotations": annotations}))


@pytest.mark.parametrize("images", [None, "train"])
def test_a_listed_image_that_is_gone_is_not_that_of_another_split(tmp_path: Path, images: str | None) -> None:
    for split, numbers in {"train": (0, 1, 3), "valid": (0, 1, 2, 3)}.items():
        for number in numbers:
            write_image(tmp_path / split / f"{number}.png", (64, 48))
    box = [{"image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in range(4)]
    write_coco(tmp_path / "train" / "a.json", [f"{n}.png" for n in range(4)], box)
    data = Coco(root=str(tmp_path), file="train/a.json", **({} if images is None else {"images": images}))
    assert data.read().names == ["train/0.png", "train/1.png", "train/3.png"]
    assert treatments(data)["listed image is not there: skipped"] == ["2.png"]
    rows = "\n".join(f"{n}.png,cat" for n in range(4))
    (tmp_path / "train" / "t.csv").write_text(f"image,label\n{rows}\n")
    table = Table(root=str(tmp_path), file={"train": "train/t.csv"})
    assert [name for name in table.read().names if name.startswith("valid")] == []


def test_an_object_without_a_class_is_no_background(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.png", (64, 48))
    rows = ["image,xmin,ymin,xmax,ymax,label", "a.png,1,1,20,20,cat", "a.png,30,20,60,40,", "b.png,1,1,9,9,cat"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    samples = Table(root=str(tmp_path)).read()
    assert samples.labels[BoxesTarget].classes == ("cat",)
    assert samples.labelled()["boxes"].tolist() == [False, True]
    assert any(issue.what.startswith("object without a class") for issue in samples.issues)


@pytest.mark.parametrize("values", [{"background": 0, "pet": 255}, {"background": 0, "pet": 1}])
def test_a_mask_of_one_bit_shows_255_and_holds_1(tmp_path: Path, values: dict[str, int]) -> None:
    drawn = np.zeros((20, 30), bool)
    drawn[5:10, 5:15] = True
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}.jpg", (30, 20))
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(drawn).save(tmp_path / "masks" / f"{name}.png")
    mask = Masks(root=str(tmp_path), values=values).read()[0]["mask"]
    assert (mask.numpy() == drawn).all()


@pytest.mark.parametrize("bits", [2, 4])
def test_a_grey_mask_of_few_bits_holds_small_numbers(tmp_path: Path, bits: int) -> None:
    numbers = np.zeros((20, 32), np.uint8)
    numbers[5:10, 4:12], numbers[12:16, 4:12] = 1, 2
    write_image(tmp_path / "images" / "a.jpg", (32, 20))
    (tmp_path / "masks").mkdir()
    write_grey_png(tmp_path / "masks" / "a.png", numbers, bits)
    samples = Masks(root=str(tmp_path), classes=["background", "cat", "dog"]).read()
    assert (samples[0]["mask"].numpy() == numbers).all()
    factor = 255 // (2**bits - 1)
    shown = Masks(root=str(tmp_path), values={"background": 0, "cat": factor, "dog": 2 * factor}).read()
    assert (shown[0]["mask"].numpy() == numbers).all()


def write_grey_png(path: Path, numbers: np.ndarray, bits: int) -> None:
    """A grey PNG of so few bits a pixel, which Pillow does not write."""
    height, width = numbers.shape
    digits = ((numbers[..., None] >> np.arange(bits)[::-1]) & 1).reshape(height, -1).astype(np.uint8)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in digits)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)


@pytest.mark.parametrize("layout", ["{}/images {}/masks", "images/{} masks/{}", "{} {}annot", "{} {}_labels"])
@pytest.mark.parametrize("word", ["valid", "validation", "Val"])
def test_masks_of_validation_are_found_however_it_is_spelt(tmp_path: Path, layout: str, word: str) -> None:
    images, masks = layout.split()
    for split in ("train", word):
        write_image(tmp_path / images.format(split) / f"{split}.jpg", (30, 20))
        (tmp_path / masks.format(split)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (30, 20), 1).save(tmp_path / masks.format(split) / f"{split}.png")
    assert sorted(Masks(root=str(tmp_path)).read().published.tolist()) == ["train", "val"]


def test_masks_of_names_in_another_letter_case_are_found(tmp_path: Path) -> None:
    for number, name in enumerate(("IMG_1", "img_2", "img_3")):
        write_image(tmp_path / "images" / f"{name}.jpg", (30, 20))
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.new("L", (30, 20), 1).save(tmp_path / "masks" / f"img_{number + 1}.png")
    assert Masks(root=str(tmp_path)).read().labelled()["mask"].all()


def test_lists_name_masks_of_the_folder_they_say(tmp_path: Path) -> None:
    for folder in ("v1", "v2"):
        for number in range(3):
            write_image(tmp_path / "images" / folder / f"{number}.png", (30, 20))
            (tmp_path / "masks" / folder).mkdir(parents=True, exist_ok=True)
            Image.new("L", (30, 20), 1).save(tmp_path / "masks" / folder / f"{number}.png")
    (tmp_path / "train.txt").write_text("v1/0.png\nv1/1.png\nv1/2.png\n")
    (tmp_path / "test.txt").write_text("v2/0\nv2/1\n")
    samples = Masks(root=str(tmp_path)).read()
    found = dict(zip(samples.names, samples.published.tolist(), strict=True))
    assert found == {f"images/v1/{n}.png": "train" for n in range(3)} | {f"images/v2/{n}.png": "test" for n in (0, 1)}


def test_splits_of_coco_may_be_spelt_in_several_ways(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png", (64, 48))
    for name in "abc":
        write_coco(
            tmp_path / f"{name}.json", [f"{name}.png"], [{"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9]}]
        )
    samples = Coco(root=str(tmp_path), file={"train": "a.json", "Valid": "b.json", "test": "c.json"}).read()
    assert sorted(samples.published.tolist()) == ["test", "train", "val"]
    for wrong in ({"train": "a.json", "extra": "b.json"}, {"val": "a.json", "valid": "b.json"}):
        with pytest.raises(CandelabraError, match=r"data\.file names"):
            load_tables_by_split(wrong, "file")


def test_images_without_a_split_among_others_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = ["train"] * 6 + ["val"] * 2 + [""] * 4
    for number in range(len(splits)):
        write_image(tmp_path / f"{number}.png", (8, 8))
    rows = [f"{number}.png,{'ab'[number % 2]},{split}" for number, split in enumerate(splits)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label,split", *rows]))
    parts = DataModule(Table(root=str(tmp_path)), size=8).parts
    assert [len(parts[split]) for split in ("train", "val")] == [6, 2]
    assert "4 of 12 images have no split, where others have one: they are left out" in caplog.text


def test_of_two_images_of_one_name_the_second_is_told(tmp_path: Path) -> None:
    for ending in ("jpg", "png"):
        write_image(tmp_path / f"a.{ending}", (64, 48))
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    size = "<size><width>64</width><height>48</height></size>"
    (tmp_path / "a.xml").write_text(f"<annotation>{size}<object><name>cat</name>{box}</object></annotation>")
    (tmp_path / "a.pts").write_text("version: 1\nn_points: 1\n{\n3 4\n}\n")
    for reader in (Voc(root=str(tmp_path)), Pts(root=str(tmp_path))):
        assert reader.read().names == ["a.jpg"]
        assert treatments(reader)["second image of the same labels: skipped"] == ["a.png"]


def test_without_boxes_the_largest_object_is_that_of_the_largest_outline(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (64, 48))
    rings = [[1, 1, 5, 1, 5, 5, 1, 5], [10, 5, 60, 5, 60, 45, 10, 45]]
    notes = [{"image_id": 0, "category_id": n + 1, "segmentation": [ring]} for n, ring in enumerate(rings)]
    write_coco(tmp_path / "a.json", ["a.png"], notes)
    samples = Coco(root=str(tmp_path), objects="largest").read()
    assert samples.labels[LabelTarget].classes[int(samples[0]["label"])] == "big"


def test_object_masks_of_jpeg_are_not_wider_than_what_they_show(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / name / "images" / f"{name}.png", (64, 48))
        (tmp_path / name / "masks").mkdir()
        for number, left in enumerate((8, 40)):
            pixels = np.zeros((48, 64), np.uint8)
            pixels[11:31, left : left + 10] = 255
            Image.fromarray(pixels).save(tmp_path / name / "masks" / f"{number}.jpg", quality=60)
    numbers = unpack_numbers(LabelMaps(root=str(tmp_path)).read()[0]["instances"])
    assert [abs(int((numbers == number).sum()) - 200) <= 20 for number in (1, 2)] == [True, True]


def test_classes_of_folders_that_differ_in_letter_case_are_told(tmp_path: Path) -> None:
    for name in ("Cat", "cat"):
        write_image(tmp_path / name / "a.png", (8, 8))
    assert any("letter case" in what for what in treatments(Folder(root=str(tmp_path))))
