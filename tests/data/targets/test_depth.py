"""Maps of numbers in files: what they hold, what is refused, and how predictions are written."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.targets import DepthTarget, Labels
from candelabra.errors import CandelabraError, UnreadableFile


def encode(values: "NDArray[np.generic]", form: str) -> bytes:
    made = io.BytesIO()
    if form == "NPY":
        np.save(made, values)
    else:
        Image.fromarray(values).save(made, form)
    return made.getvalue()


STEPS = np.array([[0, 1, 2000], [65535, 7, 0]], np.uint16)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "NPY"])
def test_whole_numbers_are_scaled_and_0_is_unknown(form: str) -> None:
    found = DepthTarget(scale=0.01, offset=-5.0).decode_map(encode(STEPS, form), "a")
    nan = float("nan")
    expected = torch.tensor([[nan, -4.99, 15.0], [650.35, -4.93, nan]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("form", ["TIFF", "NPY"])
def test_floats_stand_for_themselves_and_nan_is_unknown(form: str) -> None:
    values = np.array([[0.0, -3.5, np.nan], [np.inf, 1e5, 0.25]], np.float32)
    found = DepthTarget(scale=0.01, offset=7.0).decode_map(encode(values, form), "a")
    expected = torch.from_numpy(np.where(np.isfinite(values), values, np.nan))
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"no image",
        encode(np.zeros((4, 4, 3), np.uint8), "PNG"),
        encode(np.zeros((2, 4, 4), np.float32), "NPY"),
        encode(np.zeros((4, 4), np.complex64), "NPY"),
        encode(np.array([[None]], object), "NPY"),
    ],
)
def test_what_is_no_map_of_numbers_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableFile, match="a is no depth map"):
        DepthTarget().decode_map(raw, "a")


def test_a_map_is_written_without_loss_and_one_out_of_range_is_refused() -> None:
    target = DepthTarget(scale=0.01, offset=-5.0)
    value = target.decode_map(encode(STEPS, "PNG"), "a")
    again = target.decode_map(target.encode_map(value), "a")
    torch.testing.assert_close(again, value, rtol=0, atol=0, equal_nan=True)
    with pytest.raises(CandelabraError, match=r"from 3 to 800 does not fit a PNG .*depth_scale"):
        target.encode_map(torch.tensor([[3.0, 800.0]]))


@pytest.mark.parametrize(("low", "high"), [(-5.23, 9.0), (-90.0, -80.0), (3.0, 8000.0), (-2e6, 4.5e7), (0.0, 100.0)])
def test_the_scale_and_offset_of_the_message_fit(low: float, high: float) -> None:
    value = torch.tensor([[low, high, float("nan")]])
    with pytest.raises(CandelabraError, match=r"it holds 0\.001 to 65\.535") as caught:
        DepthTarget().encode_map(value)
    found = re.search(r"depth_scale:(.+),depth_offset:(.+)}'", str(caught.value))
    assert found
    target = DepthTarget(float(found[1]), float(found[2]))
    again = target.decode_map(target.encode_map(value), "a")
    torch.testing.assert_close(again, value, rtol=0, atol=0.51 * target.scale, equal_nan=True)


@pytest.mark.parametrize(("high", "name"), [(20.0, "a.png"), (700.0, "a.npy")])
def test_predictions_are_16_bit_png_or_npy_where_they_do_not_fit(tmp_path: Path, high: float, name: str) -> None:
    target, value = DepthTarget(), torch.tensor([[0.5, high], [float("nan"), 3.0]])
    target.save_prediction(value, tmp_path, "a", (2, 2))
    assert [path.name for path in (tmp_path / "depths").iterdir()] == [name]
    found = target.decode_map((tmp_path / "depths" / name).read_bytes(), name)
    torch.testing.assert_close(found, value, rtol=0, atol=1e-3, equal_nan=True)


def test_the_caption_names_the_ends_of_the_colour_scale() -> None:
    value = torch.tensor([[0.5, 12.25], [float("nan"), 3.0]])
    assert DepthTarget().caption(value) == "depth 0.5 to 12.2"
    assert DepthTarget().caption(value * float("nan")) == ""
    drawn = np.asarray(DepthTarget().draw(Image.new("RGB", (2, 2)), value))
    assert drawn[0, 0, 0] > drawn[0, 0, 2]  # near is red
    assert drawn[0, 1, 2] > drawn[0, 1, 0]
    assert drawn[1, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("plain", [{"scale": 0}, {"scale": "1"}, {"offset": None}, {"unit": "m"}, {"scale": True}])
def test_a_wrong_description_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(CandelabraError, match="depth"):
        Labels.from_plain({"depth": plain})
