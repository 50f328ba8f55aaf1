"""JPEG files come as Pillow gives them, at a scale of their own where less will do, and labels come along."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import decode_image
from candelabra.data.decoding.jpeg import find_jpeg_orientation, read_jpeg
from candelabra.data.decoding.nearest_pixels import resize_nearest
from tests.data.builders import build_file_samples, make_labels

RNG = np.random.default_rng(0)
SMOOTH = np.asarray(
    Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((208, 152), Image.Resampling.BICUBIC)
)


def encoded(pixels: np.ndarray = SMOOTH, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)  # type: ignore[arg-type]
    return file.getvalue()


def decoded(content: bytes, least: tuple[int, int] = (10_000, 10_000)) -> np.ndarray | None:
    quick = read_jpeg(RawBytes(content, "a.jpg"), least)
    return None if quick is None else quick.pixels


def by_pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def with_orientation(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(exif=exif.tobytes())


@pytest.mark.parametrize(
    "content",
    [
        encoded(quality=90),
        encoded(quality=95, subsampling=0),
        encoded(progressive=True),
        encoded(SMOOTH[..., 0]),
        encoded(quality=90) + b"more",
        *(with_orientation(number) for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535)),
    ],
    ids=["420", "444", "progressive", "grey", "trailing", *(f"exif{n}" for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535))],
)
def test_pixels_are_those_of_pillow(content: bytes) -> None:
    pixels = decoded(content)
    assert pixels is not None
    assert np.array_equal(pixels, by_pillow(content))
    assert pixels.flags.writeable


@pytest.mark.parametrize("content", [encoded(quality=90), with_orientation(6)], ids=["upright", "turned"])
def test_the_scale_is_the_least_that_is_enough(content: bytes) -> None:
    whole = by_pillow(content)
    height, width = whole.shape[:2]
    for scale in (1, 2, 4, 8):
        small = (-(-height // scale), -(-width // scale))
        pixels = decoded(content, small)
        assert pixels is not None
        assert pixels.shape[:2] == small
        larger = decoded(content, (small[0] + 1, small[1]))
        assert larger is not None
        assert larger.shape[0] == (height if scale == 1 else -(-height // (scale // 2)))
        shrunk = np.asarray(Image.fromarray(whole).resize(small[::-1], Image.Resampling.BOX), np.int64)
        assert np.abs(pixels - shrunk).mean() < 4


def test_what_is_odd_or_damaged_is_left_to_pillow() -> None:
    good = encoded(quality=90)
    cmyk = io.BytesIO()
    Image.fromarray(SMOOTH).convert("CMYK").save(cmyk, "JPEG")
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>"
    tagged = good[:2] + b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp + good[2:]
    for content in (b"", b"\xff\xd8", b"\x89PNG", cmyk.getvalue(), good[:400], good[: len(good) // 2], tagged):
        assert decoded(content) is None
    for cut in range(0, len(good), 7):
        decoded(good[:cut])
    for cut in range(60):
        mutated = bytearray(with_orientation(6))
        mutated[cut] ^= 0xFF
        decoded(bytes(mutated))
    assert find_jpeg_orientation(with_orientation(6)) == 6


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_labels_come_at_the_scale_of_the_image(tmp_path: Path, suffix: str) -> None:
    """A white square, its box, its corner and its mask, in a photograph of four times the size that is needed."""
    pixels = np.zeros((160, 240, 3), np.uint8)
    pixels[40:120, 80:200] = 255
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    Image.fromarray((pixels[..., 0] > 0).astype(np.uint8)).save(tmp_path / "m.png")
    samples = build_file_samples(
        tmp_path,
        [f"a.{suffix}"],
        make_labels(box=True, keypoints=("corner", "gone"), mask_classes=("no", "yes")),
        np.array([""]),
        box=np.array([[80, 40, 200, 120]], np.float32),
        keypoints=np.array([[[80, 40], [np.nan, np.nan]]], np.float32),
        masks=["m.png"],
        meaning=np.arange(256, dtype=np.uint8),
    )
    made = samples.load(0, (40, 60))
    height = made["image"].shape[-2]
    assert height in ((40,) if suffix == "jpg" else (40, 160))
    scale = height / 160
    assert made["box"].tolist() == [[80 * scale, 40 * scale, 200 * scale, 120 * scale]]
    assert made["keypoints"][0].tolist() == [80 * scale, 40 * scale]
    assert made["keypoints"][1].isnan().all()
    assert torch.equal(made["image"][0] > 127, made["mask"] == 1)
    assert samples[0]["image"].shape == (3, 160, 240)


def test_a_mask_is_made_smaller_without_new_classes() -> None:
    mask = RNG.integers(0, 3, (31, 47)).astype(np.uint8)
    assert np.array_equal(resize_nearest(mask, (31, 47)), mask)
    assert set(np.unique(resize_nearest(mask, (8, 12)))) <= {0, 1, 2}


@pytest.mark.real
def test_real_photographs_come_as_pillow_gives_them(real: Path) -> None:
    paths = sorted((real / "pets_sample").rglob("*.jpg"))[::20]
    assert len(paths) > 20
    for path in paths:
        assert np.array_equal(decode_image(path, (10_000, 10_000)).pixels, by_pillow(path.read_bytes()))
