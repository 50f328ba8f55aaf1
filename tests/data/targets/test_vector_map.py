"""Flow and normals: files, what geometry does to their vectors, and pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data.decoding.images import DecodedImage
from candelabra.data.samples import make_sample
from candelabra.data.targets import FlowTarget, Labels, NormalsTarget, VectorMapTarget
from candelabra.data.targets.map_files import fit_map
from candelabra.data.transforms.crop import crop_and_resize
from candelabra.data.transforms.pipeline import RandomMirror, make_eval_transforms, make_train_transforms
from candelabra.data.transforms.resize import Crop, Letterbox, Stretch
from candelabra.errors import UnreadableFile

SIZE = (60, 80)
GOAL = torch.tensor([50.0, 20.0])  # XY in pixels, to which all vectors point


def point_to(goal: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(2, H, W) from the centre of each pixel to a place XY."""
    rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    return goal[:, None, None] - torch.stack([columns, rows])


def find_goal(flow: torch.Tensor) -> torch.Tensor:
    """Where the vectors point, XY, on average over known pixels; they must agree to a pixel of resampling."""
    size = (flow.shape[-2], flow.shape[-1])
    ends = (flow.as_subclass(torch.Tensor) - point_to(torch.zeros(2), size)).flatten(1)
    ends = ends[:, ends.isfinite().all(0)]
    assert (ends - ends.mean(1, keepdim=True)).abs().max() < 1.5
    return ends.mean(1)


def numpy_bytes(values: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, values)
    return made.getvalue()


def test_a_mirrored_flow_points_to_the_mirrored_place() -> None:
    labels = Labels(FlowTarget())
    sample = make_sample(torch.zeros(3, *SIZE), labels, {"flow": point_to(GOAL, SIZE)})
    mirrored = RandomMirror(labels, share=1.0)(sample)["flow"]
    torch.testing.assert_close(find_goal(mirrored), torch.tensor([80 - 50.0, 20.0]))


@pytest.mark.parametrize("resize", [Stretch((40, 100)), Letterbox((50, 50)), Crop((64, 48)), Stretch((90, 120))])
def test_a_resized_flow_points_to_where_the_image_has_the_place(resize: Letterbox) -> None:
    """And what the model sees comes back as it was in the file."""
    labels, view = Labels(FlowTarget()), resize.view(SIZE)
    sample = make_sample(torch.zeros(3, *SIZE), labels, {"flow": point_to(GOAL, SIZE)})
    seen = make_eval_transforms(resize, labels)(sample)["flow"]
    scale = torch.tensor([view.scaled[1] / SIZE[1], view.scaled[0] / SIZE[0]])
    wanted = GOAL * scale + torch.tensor([float(view.corner[1]), float(view.corner[0])])
    torch.testing.assert_close(find_goal(seen), wanted, rtol=0, atol=0.3)
    filled = seen.isnan().all(0).float().mean()
    assert float(filled) == pytest.approx(0.25 if isinstance(resize, Letterbox) else 0, abs=0.03)
    back = FlowTarget().to_original(seen, view)
    assert back.shape == (2, *SIZE)
    torch.testing.assert_close(find_goal(back), GOAL, rtol=0, atol=0.4)


def test_a_cropped_flow_keeps_its_place_and_a_batch_is_scaled() -> None:
    labels = Labels(FlowTarget())
    sample = make_sample(torch.zeros(3, *SIZE), labels, {"flow": point_to(GOAL, SIZE)})
    cut = crop_and_resize(sample, labels, (10, 20, 30, 60), (60, 60))["flow"]
    torch.testing.assert_close(find_goal(cut), torch.tensor([30.0, 20.0]), rtol=0, atol=0.3)
    resized = FlowTarget().resize_batch(point_to(GOAL, SIZE)[None], SIZE, (30, 160))[0]
    torch.testing.assert_close(find_goal(resized), torch.tensor([100.0, 10.0]), rtol=0, atol=0.3)


def test_a_flow_fits_an_image_that_is_read_smaller_and_a_map_of_half_the_size() -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    read = DecodedImage(pixels, (80, 60), 1, [])
    torch.testing.assert_close(find_goal(fit_map(FlowTarget(), point_to(GOAL, SIZE), read)), GOAL / 2, rtol=0, atol=0.3)
    whole = DecodedImage(np.zeros((60, 80, 3), np.uint8), (80, 60), 1, [])
    half = point_to(GOAL / 2, (30, 40))
    torch.testing.assert_close(find_goal(fit_map(FlowTarget(), half, whole)), GOAL, rtol=0, atol=0.6)


def test_normals_change_in_mirror_images_alone() -> None:
    target, value = NormalsTarget.example(SIZE, np.random.default_rng(0))
    labels = Labels(target)
    sample = make_sample(torch.zeros(3, *SIZE), labels, {"normals": value})
    mirrored = RandomMirror(labels, share=1.0)(sample)["normals"].as_subclass(torch.Tensor)
    wanted = value.flip(-1) * torch.tensor([-1.0, 1, 1])[:, None, None]
    torch.testing.assert_close(mirrored, wanted, equal_nan=True)
    seen = make_eval_transforms(Stretch((30, 20)), labels)(sample)["normals"]
    length = seen.norm(dim=0)
    torch.testing.assert_close(length[~length.isnan()], torch.ones_like(length[~length.isnan()]))
    assert seen[0, 20].mean() == pytest.approx(float(value[0, 41].mean()), abs=0.02)


@pytest.mark.parametrize("kind", [FlowTarget, NormalsTarget])
def test_augmentation_turns_no_vectors(kind: type[VectorMapTarget]) -> None:
    for augment in ("strong", "randaugment"):
        steps = repr(make_train_transforms(augment, Stretch((32, 32)), Labels(kind()), flip=True))  # type: ignore[arg-type]
        assert "Affine" not in steps
        assert ", True)" in steps or augment == "strong"


def test_arrays_have_their_channels_first_or_last() -> None:
    values = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    values[1, 2, 0] = np.inf
    for given in (values, values.transpose(2, 0, 1)):
        found = FlowTarget().decode_map(numpy_bytes(given), "a")
        assert found.shape == (2, 5, 7)
        assert found[:, 1, 2].isnan().all()
        assert found[1, 4, 6] == values[4, 6, 1]


def test_middlebury_files_are_read() -> None:
    values = np.arange(24, dtype="<f4").reshape(3, 4, 2)
    values[2, 3] = 1e10
    head = np.float32(202021.25).tobytes() + np.array([4, 3], "<i4").tobytes()
    found = FlowTarget().decode_map(head + values.tobytes(), "a.flo")
    assert found[:, 1, 0].tolist() == [8.0, 9.0]
    assert found[:, 2, 3].isnan().all()
    with pytest.raises(UnreadableFile, match=r"a.flo is no map of flow \(it is too short for 4 x 3 pixels\)"):
        FlowTarget().decode_map((head + values.tobytes())[:-1], "a.flo")


def test_pictures_of_normals_are_read_and_black_is_unknown() -> None:
    pixels = np.array([[[255, 128, 128], [0, 0, 0], [128, 128, 255], [128, 128, 128]]], np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    found = NormalsTarget().decode_map(made.getvalue(), "a")
    assert found[:, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=0.01)
    assert found[:, 0, [1, 3]].isnan().all()
    assert found[:, 0, 2].norm() == pytest.approx(1)
    long = NormalsTarget().decode_map(numpy_bytes(np.full((2, 2, 3), 5.0)), "a")
    torch.testing.assert_close(long, torch.full((3, 2, 2), 3**-0.5))


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (FlowTarget, b"no file"),
        (NormalsTarget, b"no file"),
        (FlowTarget, numpy_bytes(np.zeros((4, 4)))),
        (NormalsTarget, numpy_bytes(np.zeros((4, 4, 2)))),
        (FlowTarget, numpy_bytes(np.array([["a"]]))),
    ],
)
def test_what_is_no_map_is_refused(kind: type[VectorMapTarget], raw: bytes) -> None:
    with pytest.raises(UnreadableFile, match=f"a is no map of {kind.name}"):
        kind().decode_map(raw, "a")


def test_directions_have_hues_and_a_prediction_comes_as_numbers_and_a_picture(tmp_path: Path) -> None:
    value = torch.tensor([[[3.0, -3.0, 0.0]], [[0.0, 0.0, torch.nan]]])
    target = FlowTarget()
    right, left, unknown = np.asarray(target.draw(Image.new("RGB", (3, 1), (9, 9, 9)), value))[0].tolist()
    assert right[0] > 200 > 10 > right[1]
    assert left[2] > 200 > 10 > left[0]
    assert unknown == [9, 9, 9]
    assert target.caption(value) == "flow up to 3 px"
    target.save_prediction(value, tmp_path, "a", (1, 3))
    assert np.load(tmp_path / "flow" / "a.npy").shape == (1, 3, 2)
    with Image.open(tmp_path / "flow" / "a.png") as picture:
        assert picture.size == (3, 1)
    assert target.to_json_result(value) == {"height": 1, "width": 3, "mean": [0.0, 0.0], "longest": 3.0}
    assert target.to_json_result(target.missing((1, 3))) == {"height": 1, "width": 3}
