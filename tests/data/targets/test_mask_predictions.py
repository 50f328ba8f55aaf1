"""Predicted masks as files: class indices, with a palette to look at them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data.targets import MaskTarget


@pytest.mark.parametrize("count", [2, 12, 255])
def test_a_predicted_mask_keeps_its_values_and_has_a_colour_for_each_class(tmp_path: Path, count: int) -> None:
    target = MaskTarget(tuple(f"class {number}" for number in range(count)))
    value = torch.arange(300, dtype=torch.int64).remainder(count).reshape(15, 20)
    value[0, 0] = 255
    target.save_prediction(value, tmp_path, "one", (value.shape[0], value.shape[1]))
    with Image.open(tmp_path / "masks" / "one.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.array(image), value.numpy())
        colours = np.array(image.convert("RGB"))
    with (tmp_path / "masks" / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["value"]), row["class"]) for row in rows] == list(enumerate(target.classes))
    listed = [tuple(int(row[channel]) for channel in ("red", "green", "blue")) for row in rows]
    assert all(tuple(colours[y, x]) == listed[int(value[y, x])] for y in range(1, 15) for x in range(20))
    assert len(set(listed)) == count
    assert tuple(colours[0, 0]) == (255, 255, 255)
