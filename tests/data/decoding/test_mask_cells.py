"""Masks of objects without torch: the same pixels as torch samples, and the run lengths of COCO."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faster_coco_eval.core import mask as coco_masks

from candelabra.data.decoding.mask_cells import MASK_SIDE, crop_cells, list_run_lengths, paste_cells
from candelabra.data.targets.object_masks import resample_cells
from candelabra.results import ObjectMask


def draw_cells(count: int = 1) -> torch.Tensor:
    return torch.rand(count, MASK_SIDE**2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("box", [(10.3, 4.6, 52.7, 90.2), (0.0, 0.0, 3.0, 2.0), (7.4, 7.4, 7.6, 30.0)])
def test_pixels_are_those_that_torch_samples(box: tuple[float, float, float, float]) -> None:
    cells = draw_cells()
    found = paste_cells(box, cells[0].numpy())
    left, top, right, bottom = box
    rows, columns = (
        torch.arange(side) + start + 0.5 for side, start in zip(found.inside.shape, found[:2], strict=True)
    )
    down, across = ((rows - top) / (bottom - top) * 2 - 1, (columns - left) / (right - left) * 2 - 1)
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]
    sampled = F.grid_sample(cells.view(1, 1, MASK_SIDE, MASK_SIDE), grid, padding_mode="border", align_corners=False)
    expected = (sampled[0, 0] > 0.5) & (grid[0].abs() <= 1).all(-1)
    assert (found.inside == expected.numpy()).mean() > 0.999


def test_cells_of_a_part_of_a_box_are_those_that_torch_samples() -> None:
    boxes = torch.tensor([[-5.0, -3.0, 20.0, 30.0], [2.0, 2.0, 9.0, 9.0], [1.0, 5.0, 60.0, 20.0]])
    parts = torch.tensor([[0.0, 0.0, 20.0, 24.0], [2.0, 2.0, 9.0, 9.0], [1.0, 5.0, 40.5, 20.0]])
    cells = draw_cells(3)
    rest = torch.zeros(3, 2)
    expected = resample_cells(torch.cat([boxes, rest, cells], 1), torch.cat([parts, rest], 1)).numpy()
    found = crop_cells(cells.numpy(), boxes.numpy(), parts.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found[1] == cells[1].numpy()).all()
    assert abs(found[0] - cells[0].numpy()).max() > 0.1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_run_lengths_are_read_by_coco(share: float) -> None:
    draw = np.random.default_rng(0)
    size = (23, 31)
    for top, left, height, width in ((0, 0, *size), (3, 5, 9, 12), (0, 10, 23, 7), (22, 30, 1, 1)):
        mask = ObjectMask(top, left, draw.random((height, width)) < share)
        runs = list_run_lengths(mask, size)
        assert sum(runs["counts"]) == size[0] * size[1]
        assert min(runs["counts"][1:], default=1) > 0
        compressed = coco_masks.frPyObjects(runs, *size)
        assert (coco_masks.decode(compressed).astype(bool) == mask.spread(size)).all()
