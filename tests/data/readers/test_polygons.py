"""Outlines fill the pixels that pycocotools fills, at each size that an image is read at."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from candelabra.data.decoding.covered_region import find_covered_region
from candelabra.data.readers.polygons import Polygons
from candelabra.types import Size

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools
SIZE = (97, 131)
Rings = list[NDArray[np.float64]]


def make_star(centre: tuple[float, float], *radii: float, corners: int = 50) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    lengths = np.resize(radii, corners)
    return np.stack([centre[0] + lengths * np.cos(angles), centre[1] + lengths * np.sin(angles)], 1)


def make_square(left: float, top: float, side: float) -> NDArray[np.float64]:
    return np.array([left, top]) + side * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def fill(rings: Rings, size: Size = SIZE, read: Size | None = None) -> NDArray[np.int32]:
    canvas = np.zeros(read or size, np.int32)
    outline = Polygons([(ring / size[::-1]).astype(np.float32) for ring in rings])
    outline.draw(canvas, 70000, find_covered_region(canvas.shape, size))
    return canvas // 70000


def fill_with_pycocotools(rings: Rings, size: Size = SIZE) -> NDArray[np.uint8]:
    parts = coco_masks.frPyObjects([ring.ravel().tolist() for ring in rings], *size)
    found: NDArray[np.uint8] = coco_masks.decode(coco_masks.merge(parts))
    return found


@pytest.mark.parametrize(
    "draw",
    [
        *(lambda x, y, side=side: [make_star((x, y), side / 2)] for side in (4, 8, 16, 32, 64)),
        lambda x, y: [make_star((x, y), 20, 7, corners=12)],  # concave
        lambda x, y: [make_star((x, y), 12), make_square(x - 20, y, 8), make_square(x, y, 15)],  # several parts
        lambda x, y: [np.array([[x, y], [x + 30, y + 4], [x + 29, y + 6]])],
        lambda x, y: [make_square(x, y, 20)[[0, 2, 1, 3]]],  # its edges cross
    ],
)
def test_the_inside_is_that_of_pycocotools(draw: Callable[[float, float], Rings]) -> None:
    rng = np.random.default_rng(0)
    for rings in (draw(x, y) for x, y in rng.uniform(-5, 100, (20, 2))):
        found, wanted = fill(rings) > 0, fill_with_pycocotools(rings) > 0
        if wanted.any():  # else its border is drawn
            assert (found & wanted).sum() >= 0.99 * (found | wanted).sum()  # float32 tips a corner now and then


@pytest.mark.parametrize("side", [1, 4, 16])
def test_squares_of_whole_and_half_numbers_keep_their_size(side: int) -> None:
    for left, top in [(30, 40), (31, 41), (30.5, 40.5), (120, 90), (-1, -1)]:
        filled = fill([make_square(left, top, side)])
        np.testing.assert_array_equal(filled, fill_with_pycocotools([make_square(left, top, side)]))
    np.testing.assert_array_equal(
        np.argwhere(fill([make_square(30, 40, side)]))[[0, -1]], [[40, 30], [39 + side, 29 + side]]
    )


def test_areas_are_not_biased() -> None:
    discs = [make_star((x, y), 8) for x, y in np.random.default_rng(0).uniform(10, 80, (100, 2))]
    assert np.mean([fill([disc]).sum() for disc in discs]) == pytest.approx(np.pi * 8**2, rel=0.01)


@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_an_image_read_smaller_shows_the_same_outline(divisor: int) -> None:
    """97 x 131 pixels at 1/2 cover 98 x 132."""
    read = (-(-SIZE[0] // divisor), -(-SIZE[1] // divisor))
    for x, y in np.random.default_rng(0).uniform(30, 70, (10, 2)):
        disc = make_star((x, y), 25)
        whole = np.zeros((read[0] * divisor, read[1] * divisor))
        whole[: SIZE[0], : SIZE[1]] = fill([disc])
        shares = whole.reshape(read[0], divisor, read[1], divisor).mean((1, 3))
        drawn = fill([disc], read=read)
        assert drawn.sum() == pytest.approx(shares.sum(), rel=0.1)
        assert not drawn[shares < 0.2].any()
        assert drawn[shares > 0.8].all()


@pytest.mark.parametrize(
    "ring", [[[10, 10.2], [60, 10.3], [60, 10.2]], [[20.6, 20.6], [20.9, 20.6], [20.9, 20.9]], [[3, 4], [40, 44]]]
)
def test_an_outline_around_no_centre_of_a_pixel_stays_visible(ring: list[list[float]]) -> None:
    assert fill([np.array(ring)]).any()


def test_an_outline_beside_the_image_is_not_drawn() -> None:
    assert not fill([make_square(140, 20, 10), make_square(20, -30, 10)]).any()
