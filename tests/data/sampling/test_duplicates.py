"""Duplicates: what is one image, what is one scene, and what only looks alike to a machine."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from candelabra.data.samples import hash_contents
from candelabra.data.sampling.duplicates import Duplicates, find_duplicates
from candelabra.data.sampling.image_scan import make_scan_thumbnail

Pixels = NDArray[np.uint8]


def scene(seed: int, size: tuple[int, int] = (120, 90)) -> Pixels:
    """Something with a layout and details, as a photo has."""
    rng = np.random.default_rng(seed)
    made = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(made.filter(ImageFilter.GaussianBlur(1)))


def saved(pixels: Pixels, quality: int) -> Pixels:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size))


def found(images: list[Pixels], near: float | None = 0.6) -> tuple[list[list[int]], list[list[int]]]:
    pixels = np.array([np.frombuffer(hash_contents(image)[:8], np.uint64)[0] for image in images])
    thumbs = np.stack([make_scan_thumbnail(image) for image in images])
    sizes = np.array([image.shape[:2] for image in images], np.int32)
    twins: Duplicates = find_duplicates(pixels, thumbs, sizes, near)
    return [group.tolist() for group in twins.equal], [group.tolist() for group in twins.alike]


def test_equal_images_are_found_and_are_no_near_duplicates() -> None:
    images = [scene(0), scene(1), scene(0), scene(2), scene(1), scene(0)]
    assert found(images) == ([[0, 2, 5], [1, 4]], [])


def test_a_scene_saved_again_is_found_whatever_was_done_to_it() -> None:
    one = scene(0)
    darker = (one * 0.7 + 20).astype(np.uint8)
    grey = np.repeat(np.asarray(Image.fromarray(one).convert("L"))[..., None], 3, 2)
    images = [one, scene(1), saved(one, 40), resized(one, (64, 48)), darker, grey, one[2:-2, 2:-2], one]
    assert found(images) == ([[0, 7]], [[0, 2, 3, 4, 5, 6, 7]])
    assert found(images, None) == ([[0, 7]], [])


def test_other_scenes_are_not_alike() -> None:
    assert found([scene(seed) for seed in range(300)]) == ([], [])


def test_what_holds_too_little_is_not_compared() -> None:
    plain = [np.full((64, 64, 3), grey, np.uint8) for grey in (10, 11, 12)]
    small = [resized(scene(seed % 2), (28, 28)) for seed in range(2)] + [resized(saved(scene(0), 50), (28, 28))]
    assert found([*plain, *small]) == ([], [])


def test_strong_outlines_on_other_backgrounds_are_not_alike() -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(5):
        ground = rng.integers(0, 60, (64, 64), dtype=np.uint8)
        ground[12:52, 26:34] = 250  # a handwritten one
        images.append(np.repeat(ground[..., None], 3, 2))
    assert found(images) == ([], [])


def test_unreadable_images_are_no_duplicates_of_each_other() -> None:
    thumbs = np.zeros((3, 16, 16), np.uint8)
    assert find_duplicates(np.zeros(3, np.uint64), thumbs, np.zeros((3, 2), np.int32), 0.6) == ([], [])


@pytest.mark.timeout(60)
def test_a_still_camera_is_one_group_and_takes_no_quadratic_memory() -> None:
    rng = np.random.default_rng(0)
    still = make_scan_thumbnail(scene(0)).astype(int)
    thumbs = np.clip(still + rng.integers(-2, 3, (2500, 16, 16)), 0, 255).astype(np.uint8)
    twins = find_duplicates(np.arange(2500, dtype=np.uint64), thumbs, np.full((2500, 2), 64, np.int32), 0.6)
    assert [len(group) for group in twins.alike] == [2500]
