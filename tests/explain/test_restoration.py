"""Maps of evidence come back to the pixels that they are about."""

import pytest
import torch

from candelabra.data.targets import ResizeGeometry
from candelabra.data.transforms.resize import make_resize
from candelabra.explain.restoration import restore_map


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("original", [(70, 140), (140, 70), (35, 35)])
def test_the_centre_of_a_cell_keeps_its_value(resize: str, original: tuple[int, int]) -> None:
    """A map that rises by one a cell is, at each pixel, the place of that pixel in cells, less half a cell."""
    geometry = make_resize(resize, (70, 70)).view(original)
    cells = torch.arange(7.0).expand(7, 7)
    restored = restore_map(cells, geometry)
    assert restored.shape == original
    pixels = torch.arange(original[1]) + 0.5
    seen = pixels * geometry.scaled[1] / original[1] + geometry.corner[1]
    wanted = (seen / 10 - 0.5).clamp(0, 6)
    inside = (seen >= 0) & (seen <= 70)
    row = restored[original[0] // 2]
    torch.testing.assert_close(row[inside], wanted[inside])
    assert row[~inside].isnan().all()


def test_a_smaller_picture_shows_the_same_places() -> None:
    geometry = ResizeGeometry((200, 400), (64, 64), (0, 0), (64, 64))
    heat = torch.zeros(8, 8)
    heat[2, 5] = 1
    large, small = restore_map(heat, geometry), restore_map(heat, geometry, (50, 100))
    peak = divmod(int(small.argmax()), 100)
    assert (abs(peak[0] - 15.6) <= 1, abs(peak[1] - 68.75) <= 1) == (True, True)
    mean = torch.nn.functional.avg_pool2d(large[None, None], 4)[0, 0]
    torch.testing.assert_close(mean, small, atol=0.06, rtol=0)
