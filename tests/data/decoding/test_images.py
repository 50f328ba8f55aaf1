"""Image files of every kind, whole and damaged: what becomes of their pixels."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from candelabra.data.decoding.array_images import convert_to_pixels
from candelabra.data.decoding.image_files import LARGEST_IMAGE
from candelabra.data.decoding.images import (
    decode_image,
    decode_mask,
    find_images,
    hash_file,
    mask_to_classes,
    read_header,
    read_image_size,
)
from candelabra.errors import UnreadableFile

SAME = np.arange(256, dtype=np.uint8)


def photo(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Smooth colours that differ in every corner, so that a turn is seen and JPEG hardly changes them."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    return Image.fromarray((np.stack([x, y, (1 - x) * (1 - y)], 2) * 220 + 20).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def open_mask(path: Path, meaning: np.ndarray) -> np.ndarray:
    return mask_to_classes(decode_mask(path).pixels, meaning)


def what(path: Path) -> list[tuple[str, str]]:
    return [(each.what, each.treatment.value) for each in decode_image(path).odd]


def pixels(path: Path) -> np.ndarray:
    return decode_image(path).pixels


def near(found: np.ndarray, wanted: Image.Image, by: float = 6.0) -> bool:
    return bool(np.abs(found.astype(float) - np.asarray(wanted.convert("RGB"), float)).mean() < by)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, number: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = number
    path = written(tmp_path / "a", encoded(photo(), kind, exif=exif))
    with Image.open(path) as image:
        wanted = image.copy() if kind == "TIFF" else ImageOps.exif_transpose(image)  # Pillow turns a TIFF itself
    found = decode_image(path)
    assert near(found.pixels, wanted, 0.01)
    assert read_image_size(path) == found.size == wanted.size
    assert found.size == ((32, 48) if number >= 5 else (48, 32))
    assert kind == "TIFF" or [each.what for each in found.odd] == (["turned as EXIF says"] if number > 1 else [])


def test_an_illegal_orientation_and_broken_exif_change_nothing(tmp_path: Path) -> None:
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 4, 1, 65537) + bytes(4)
    path = written(tmp_path / "a.jpg", encoded(photo(), "JPEG", exif=b"Exif\0\0" + tiff))
    assert what(path) == [("EXIF orientation that is none", "used")]
    assert near(pixels(path), photo())
    for exif in (tiff[:12], b"II*\0\xff\xff\xff\xff", b"rubbish"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert near(pixels(written(path, encoded(photo(), "JPEG", exif=b"Exif\0\0" + exif))), photo())


def test_alpha_is_dropped_where_it_is_opaque_and_laid_on_white_elsewhere(tmp_path: Path) -> None:
    for kind in ("PNG", "WEBP", "TIFF"):
        image = photo().convert("RGBA")
        path = written(tmp_path / "a", encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert near(pixels(path), photo(), 0.01)
        if kind != "WEBP":  # which drops such a channel itself
            assert what(path) == [("alpha channel, all opaque", "used")]
        image.putalpha(Image.fromarray(np.full((32, 48), 128, np.uint8)))
        path = written(tmp_path / "a", encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
        half = Image.fromarray(((np.asarray(photo(), float) * 128 + 255 * 127) / 255).astype(np.uint8))
        assert near(pixels(path), half, 1.5)
        assert what(path) == [("transparent, laid on white", "repaired")]


def test_grey_with_alpha_and_palettes_with_transparency(tmp_path: Path) -> None:
    grey = photo().convert("L").convert("LA")
    grey.putalpha(0)
    path = written(tmp_path / "a.png", encoded(grey, "PNG"))
    assert (pixels(path) == 255).all()
    palette = photo().quantize(16)
    assert near(pixels(written(path, encoded(palette, "PNG"))), palette, 0.01)
    assert not what(path)
    for transparency in (int(np.asarray(palette)[0, 0]), bytes([0] * 16)):
        written(path, encoded(palette, "PNG", transparency=transparency))
        assert what(path) == [("transparent, laid on white", "repaired")]
        assert pixels(path)[0, 0].tolist() == [255, 255, 255]
    written(path, encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3)))
    assert (pixels(path) == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "BMP", "GIF"])
def test_other_ways_to_keep_colours(tmp_path: Path, mode: str, kind: str) -> None:
    image = photo().convert(mode)
    try:
        content = encoded(image, kind)
    except (OSError, ValueError):
        pytest.skip(f"{kind} does not keep {mode}")
    path = written(tmp_path / "a", content)
    assert near(pixels(path), image)
    assert pixels(path).shape == (32, 48, 3)


def test_cmyk_is_inverted_only_where_adobe_says_so(tmp_path: Path) -> None:
    content = encoded(photo().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content
    path = written(tmp_path / "a.jpg", content)
    assert what(path) == [("CMYK", "used")]
    assert near(pixels(path), photo(), 8)
    start = content.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", content, start + 2)
    plain = content[:start] + content[start + 2 + length :]
    inverted = encoded(Image.fromarray(255 - np.asarray(photo().convert("CMYK")), "CMYK"), "JPEG", quality=95)
    plain = inverted[:start] + inverted[start + 2 + length :]
    assert near(pixels(written(path, plain)), photo(), 8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits_are_scaled_not_cut(tmp_path: Path, kind: str) -> None:
    values = np.linspace(0, 65535, 64 * 8).reshape(8, 64).astype(np.uint16)
    path = written(tmp_path / "a", encoded(Image.fromarray(values), kind))
    assert np.abs(pixels(path)[:, :, 1] - values / 257).max() <= 0.5
    assert what(path) == [("16 bits, divided by 257", "repaired")]


def test_numbers_without_a_range_are_refused_in_words(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 64).reshape(8, 8).astype(np.float32)
    path = written(tmp_path / "a.tif", encoded(Image.fromarray(values), "TIFF"))
    assert np.abs(pixels(path)[:, :, 0] - values * 255).max() <= 0.5
    for strange, words in (
        (values * 3, "floats from 0 to 3"),
        (values * np.nan, "floats from nan"),
        (-values, "-1 to"),
    ):
        with pytest.raises(UnreadableFile, match=words):
            pixels(written(path, encoded(Image.fromarray(strange), "TIFF")))
        assert not read_header(path).sure
    with pytest.raises(UnreadableFile, match=r"32-bit integers from 0 to 99.*8 or 16 bits"):
        pixels(written(path, encoded(Image.fromarray(np.int32([[0, 99]])), "TIFF")))


def test_several_images_in_one_file_give_the_first(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        path = written(tmp_path / "a", encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert near(pixels(path), frames[0]), kind


def damaged() -> dict[str, tuple[bytes, str]]:
    jpeg = encoded(photo((64, 64)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\xff\xd8\xff\xd9")
    progressive = encoded(photo((64, 64)), "JPEG", progressive=True)
    png, gif = encoded(photo(), "PNG"), encoded(photo().convert("P"), "GIF")
    return {
        "a JPEG cut in half": (jpeg[: len(jpeg) // 2], "(?i)truncated"),
        "a JPEG without its end": (jpeg[:-2], "truncated"),
        "a progressive JPEG cut": (progressive[:-60], "truncated"),
        "a PNG cut": (png[: len(png) // 2], "truncated"),
        "a GIF cut": (gif[:-60], "truncated"),
        "a WebP cut": (encoded(photo(), "WEBP")[:-40], "cannot be read"),
        "a BMP cut": (encoded(photo(), "BMP")[:-40], "truncated"),
        "a PPM cut": (encoded(photo(), "PPM")[:-40], "cannot be read"),
        "a TIFF cut": (encoded(photo(), "TIFF")[:-300], "cannot be read"),
        "nothing": (b"", "is empty"),
        "a page of the web": (b"<!DOCTYPE html><html><body>404", r"begins with '<!DOCTYPE html>.*no image of a kind"),
        "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "HEIC image, .*save it as JPEG"),
        "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a kind"),
        "a pickle": (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07builtins\x94.", "no image of a kind"),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", list(damaged()))
def test_damaged_files_are_told_by_their_header_and_end(tmp_path: Path, case: str) -> None:
    content, words = damaged()[case]
    path = written(tmp_path / "a.jpg", content)
    with pytest.raises(UnreadableFile, match=words):
        pixels(path)
    with suppress(UnreadableFile):
        assert not read_header(path).sure


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_whole_files_are_not_doubted_whatever_follows_them(tmp_path: Path, kind: str) -> None:
    content = encoded(photo(), kind)
    path = written(tmp_path / "a", content)
    assert read_header(path).sure
    assert near(pixels(path), photo(), 25 if kind == "GIF" else 6)
    if kind in ("JPEG", "PNG"):
        assert read_header(written(path, content + b"a film of some seconds" * 9_000)).sure
        assert near(pixels(path), photo())


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "round.jpg").symlink_to("round.jpg")
    for name in ("folder.jpg", "pipe.jpg", "round.jpg", "missing.jpg", "n" * 300 + ".jpg", "nul\0.jpg"):
        for read in (decode_image, read_image_size, hash_file, read_header):
            with pytest.raises(UnreadableFile):
                read(tmp_path / name)
    assert not list(find_images(tmp_path))


def test_folders_are_searched_once_and_never_outside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "root"
    for name in ("b/2.JPG", "b/3.Jpeg", "a/1.png", "a/.hidden.png", ".ipynb_checkpoints/1.png", "a/notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "9.png").write_bytes(b"x")
    (root / "a" / "up").symlink_to("..")
    (root / "again").symlink_to("a")
    (root / "away").symlink_to(tmp_path / "other")
    (root / "b" / "same.png").symlink_to("../a/1.png")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    names = [os.fsencode(path.relative_to(root)) for path in find_images(root)]
    assert names == [b"a/1.png", b"b/2.JPG", b"b/3.Jpeg", b"b/same.png", b"caf\xe9.png"]
    assert "away leads out of" in caplog.text


def jpeg_header(width: int, height: int, kind: int, components: int) -> bytes:
    """A JPEG that claims so many pixels and holds none; its scan has so many of three components."""
    small = encoded(photo((16, 16)), "JPEG", progressive=kind == 0xC2)
    frame, scan = small.index(bytes([0xFF, kind])), small.index(b"\xff\xda")
    head = small[: frame + 5] + struct.pack(">HH", height, width) + small[frame + 9 : scan]
    ids = b"".join(bytes([i + 1, 0]) for i in range(components))
    return head + b"\xff\xda" + struct.pack(">HB", 6 + 2 * components, components) + ids + b"\0\x3f\0" + bytes(99)


def png_bomb(width: int, height: int, chunk: bytes = b"") -> bytes:
    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    start = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    extra = part(chunk[:4], chunk[4:]) if chunk else b""
    end = part(b"IDAT", zlib.compress(bytes(100))) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + start + extra + end


def webp_bomb(width: int, height: int) -> bytes:
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body = b"WEBP" + extended + (height - 1).to_bytes(3, "little") + bytes(200)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "content",
    [
        png_bomb(50_000, 50_000),
        png_bomb(9_000, 6_000),
        webp_bomb(16_000, 16_000),
        jpeg_header(20_000, 20_000, 0xC2, 3),  # progressive: decoders keep the whole of it
        jpeg_header(20_000, 20_000, 0xC0, 1),  # so they do where each component has a scan of its own
        jpeg_header(65_000, 65_000, 0xC0, 3),
        encoded(Image.new("1", (9_000, 9_000)), "TIFF", compression="group4"),
        encoded(Image.new("1", (9_000, 9_000)), "GIF"),
    ],
)
def test_more_pixels_than_fit_into_memory_are_refused_by_their_header(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "a.jpg", content)
    assert len(content) < 500_000
    for read in (decode_image, read_header):
        with pytest.raises(UnreadableFile, match=r"pixels, and no more than 50,000,000|exceeds limit"):
            read(path)


def test_chunks_that_unfold_to_much_more_are_refused(tmp_path: Path) -> None:
    many = zlib.compress(bytes(50_000_000), 9)
    for chunk in (b"zTXtwords\0\0" + many, b"iCCPname\0\0" + many):
        with pytest.raises(UnreadableFile):
            pixels(written(tmp_path / "a.png", png_bomb(8, 8, chunk)))


def test_a_large_jpeg_is_read_smaller(tmp_path: Path) -> None:
    large = photo((60, 25)).resize((12_000, 5_000), Image.Resampling.NEAREST)
    path = written(tmp_path / "a.jpg", encoded(large, "JPEG"))
    found = decode_image(path)
    assert large.width * large.height > LARGEST_IMAGE
    assert found.size == read_image_size(path) == (12_000, 5_000)
    assert found.pixels.shape == (2_500, 6_000, 3)
    assert near(found.pixels[50::100, 50::100], photo((60, 25)))


@pytest.mark.parametrize(("least", "shape"), [((100, 100), (100, 150)), ((101, 1), (200, 300)), (None, (400, 600))])
def test_a_jpeg_is_read_no_larger_than_needed(
    tmp_path: Path, least: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    path = written(tmp_path / "a.jpg", encoded(photo((600, 400)), "JPEG"))
    found = decode_image(path, least)
    assert found.pixels.shape[:2] == shape
    assert found.size == (600, 400)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_image(written(path, encoded(photo((600, 400)), "JPEG", exif=exif)), least and least[::-1])
    assert turned.pixels.shape[:2] == shape[::-1]


MASKS: dict[str, tuple[Callable[[np.ndarray], Image.Image], str]] = {
    "grey": (lambda values: Image.fromarray(values), "PNG"),
    "palette": (lambda values: indexed(values), "PNG"),
    "grey as colours": (lambda values: Image.fromarray(values).convert("RGB"), "PNG"),
    "grey as colours with alpha": (lambda values: Image.fromarray(values).convert("RGBA"), "PNG"),
    "grey with alpha": (lambda values: Image.fromarray(values).convert("LA"), "PNG"),
    "16 bits": (lambda values: Image.fromarray(values.astype(np.uint16)), "PNG"),
    "32 bits": (lambda values: Image.fromarray(values.astype(np.int32)), "TIFF"),
    "a GIF": (lambda values: indexed(values), "GIF"),
}


def indexed(values: np.ndarray) -> Image.Image:
    image = Image.frombytes("P", values.shape[::-1], values.tobytes())
    image.putpalette(list(range(255, 255 - 3 * 60, -1)))
    return image


@pytest.mark.parametrize("case", list(MASKS))
def test_masks_hold_numbers_however_they_are_kept(tmp_path: Path, case: str) -> None:
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)
    make, kind = MASKS[case]
    path = written(tmp_path / "a", encoded(make(values), kind))
    assert (open_mask(path, SAME) == values).all()


def test_a_mask_of_one_bit_and_of_large_numbers(tmp_path: Path) -> None:
    bits = np.eye(8) > 0
    assert (open_mask(written(tmp_path / "a", encoded(Image.fromarray(bits), "PNG")), SAME) == bits).all()
    large = Image.fromarray(np.uint16([[0, 255, 256, 65535]]))
    assert open_mask(written(tmp_path / "a", encoded(large, "PNG")), SAME).tolist() == [[0, 255, 255, 255]]
    below = Image.fromarray(np.int32([[0, 7, -1, 300]]))
    assert open_mask(written(tmp_path / "a", encoded(below, "TIFF")), SAME).tolist() == [[0, 7, 255, 255]]


def test_masks_of_colours_and_of_fractions_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"data\.colours"):
        open_mask(written(tmp_path / "a", encoded(photo(), "PNG")), SAME)
    with pytest.raises(UnreadableFile, match="mode F; a mask holds one whole number"):
        open_mask(written(tmp_path / "a", encoded(Image.new("F", (4, 4)), "TIFF")), SAME)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kind", ["cmyk.jpg", "deep.pgm", "deep.png"])
def test_an_opened_image_has_the_pixels_of_its_file(kind: str, turned: bool, tmp_path: Path) -> None:
    path, exif = tmp_path / kind, Image.Exif()
    exif[0x0112] = 6 if turned else 1
    if kind == "cmyk.jpg":
        photo().convert("CMYK").save(path, quality=95, exif=exif)
        path.write_bytes(path.read_bytes().replace(b"Adobe", b"Other"))
    else:
        deep = Image.fromarray(np.asarray(photo().convert("L")).astype(np.uint16) * 257)
        deep.save(path, **({"exif": exif} if kind.endswith("png") else {}))
    with Image.open(path) as opened:
        np.testing.assert_array_equal(convert_to_pixels(opened), decode_image(path).pixels)
