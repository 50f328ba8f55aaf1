"""The resize inside of an exported graph gives the pixels of evaluation, and brings places back as evaluation does."""

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.targets import MaskTarget
from candelabra.data.targets.geometry import restore_points
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import RESIZE_METHODS, make_resize
from candelabra.export.resizing import resize_pictures, view_pictures

SIZES = [(97, 131), (64, 48), (5, 7), (1, 1), (3, 400), (400, 3), (201, 333), (48, 64), (128, 96), (1000, 701)]
MODEL = (48, 64)


def draw(height: int, width: int) -> np.ndarray:
    """A picture with noise, edges and flat parts."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize((width, height), 0)
    noise = rng.integers(-20, 21, (height, width, 3))
    return np.clip(np.asarray(coarse).astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("resize", sorted(RESIZE_METHODS))
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_evaluation(resize: str, size: tuple[int, int]) -> None:
    pixels = draw(*size)
    wanted = make_eval_transforms(make_resize(resize, MODEL))(make_sample(image_to_tensor(pixels)))["image"]
    pictures = torch.from_numpy(pixels)[None]
    found = resize_pictures(pictures, view_pictures(pictures, MODEL, resize))[0]
    apart = (found - wanted.float()).abs()
    assert apart.max() <= 1  # where a sum lies between two numbers
    assert (apart > 0).float().mean() < 1e-3


@pytest.mark.parametrize("resize", sorted(RESIZE_METHODS))
@pytest.mark.parametrize("size", SIZES)
def test_points_and_maps_come_back_as_evaluation_brings_them(resize: str, size: tuple[int, int]) -> None:
    geometry = make_resize(resize, MODEL).view(size)
    pictures = torch.zeros(1, *size, 3, dtype=torch.uint8)
    view = view_pictures(pictures, MODEL, resize)
    points = torch.rand(20, 2) * 60
    torch.testing.assert_close(view.restore_points(points), restore_points(points, geometry), atol=1e-3, rtol=1e-5)
    mask = torch.randint(0, 5, MODEL, dtype=torch.uint8)
    wanted = MaskTarget(("a", "b", "c", "d", "e")).to_original(mask, geometry)
    assert torch.equal(view.restore_map(mask[None], 255)[0], wanted)
