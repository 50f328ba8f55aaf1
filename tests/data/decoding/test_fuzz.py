"""Damaged image files: each is read or refused in words, in little time and memory, and nothing crashes."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.mutants import MEMORY, mutants, read_in_a_process


def noise(size: tuple[int, int] = (96, 64)) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def seeds() -> dict[str, bytes]:
    """One whole file of each kind."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    image, deep = noise(), Image.fromarray(np.asarray(noise().convert("L")).astype(np.uint16) * 257)
    rgba = image.convert("RGBA")
    rgba.putalpha(image.convert("L"))
    palette = image.quantize(32)
    return {
        "jpeg": encoded(image, "JPEG", exif=exif),
        "jpeg_progressive": encoded(image, "JPEG", progressive=True),
        "jpeg_grey": encoded(image.convert("L"), "JPEG"),
        "jpeg_cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", exif=exif),
        "png_alpha": encoded(rgba, "PNG"),
        "png_palette": encoded(palette, "PNG", transparency=3),
        "png_16": encoded(deep, "PNG"),
        "png_several": encoded(image, "PNG", save_all=True, append_images=[noise((40, 30))]),
        "gif": encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(180)]),
        "webp": encoded(image, "WEBP", exif=exif),
        "webp_lossless": encoded(rgba, "WEBP", lossless=True),
        "webp_several": encoded(image, "WEBP", save_all=True, append_images=[image.rotate(180)]),
        "bmp": encoded(image, "BMP"),
        "bmp_palette": encoded(palette, "BMP"),
        "tiff": encoded(image, "TIFF", exif=exif),
        "tiff_lzw": encoded(image, "TIFF", compression="tiff_lzw"),
        "tiff_jpeg": encoded(image, "TIFF", compression="jpeg"),
        "tiff_deflate_16": encoded(deep, "TIFF", compression="tiff_adobe_deflate"),
        "tiff_float": encoded(Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255), "TIFF"),
        "tiff_fax": encoded(image.convert("1"), "TIFF", compression="group4"),
        "ppm": encoded(image, "PPM"),
    }


def read_everything(path: Path) -> None:
    """All that is ever done with an image file; refused if one of them refuses, and then by all that decode."""
    from candelabra.data.decoding.images import decode_image, decode_mask, read_header
    from candelabra.errors import UnreadableFile

    refused = 0
    for read in (read_header, decode_image, lambda path: decode_image(path, (20, 20))):
        try:
            read(path)
        except UnreadableFile:
            refused += 1
            last: Callable[[Path], object] = read
    try:
        decode_mask(path)
    except UnreadableFile:
        refused += 0
    if refused:
        last(path)


def damaged(folder: Path, each: int, seed: int = 0) -> list[Path]:
    rng = random.Random(seed)
    files = []
    for name, content in seeds().items():
        for number, mutant in enumerate(mutants(content, rng, each)):
            files.append(folder / f"{name}_{number}")
            files[-1].write_bytes(mutant)
    return files


def judge(files: list[Path], timeout: float) -> None:
    found = read_in_a_process(files, "tests.data.decoding.test_fuzz", "read_everything", timeout)
    print(f"{len(files)} files: { {key: value for key, value in found.items() if key != 'failures'} }")
    assert not found["failures"]
    assert found["used"] + found["refused"] == len(files)
    assert found["used"] > len(files) / 10
    assert found["refused"] > len(files) / 10
    assert found["bytes"] < MEMORY


def test_damaged_images_are_read_or_refused(tmp_path: Path) -> None:
    judge(damaged(tmp_path, 2), 120)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_many_damaged_images_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    judge(damaged(tmp_path, 100, seed), 580)


LARGE = ("L.PNG", "P.PNG", "I;16.PNG", "RGB.JPEG", "RGB.TIFF", "RGBA.PNG", "RGBA.WEBP", "CMYK.JPEG", "CMYK.TIFF")


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_large_images_of_every_mode_stay_below_a_gigabyte(tmp_path: Path, case: str) -> None:
    mode, kind = case.split(".")
    large = Image.effect_mandelbrot((700, 700), (-2, -1.5, 1, 1.5), 20).resize((7_000, 7_000))
    image = large.convert(mode) if mode != "I;16" else Image.fromarray(np.asarray(large).astype(np.uint16))
    options = {"progressive": True, "subsampling": 0} if kind == "JPEG" else {}
    path = tmp_path / f"large.{kind}"
    image.save(path, kind, **options)
    found = read_in_a_process([path], "candelabra.data.decoding.images", "decode_image", 300)
    print(case, found)
    assert found["used"] == 1
    assert found["bytes"] < MEMORY
