"""What targets draw: readable on any ground, as large as the picture asks for."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.targets import BoxTarget, KeypointsTarget, Target
from candelabra.data.targets.drawing import draw_words, pick_class_colour

GROUNDS = [(0, 0, 0), (255, 255, 255), (255, 230, 0)]
POINTS = KeypointsTarget(("a", "b", "c"), skeleton=((0, 1),))


def drawn(
    target: Target, value: torch.Tensor, side: int, ground: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[np.int_]:
    return np.asarray(target.draw(Image.new("RGB", (side, side), ground), value)).astype(int)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("side", [64, 224, 2000])
def test_a_box_has_a_bright_and_a_dark_line_on_any_ground(side: int, ground: tuple[int, int, int]) -> None:
    pixels = drawn(BoxTarget(), torch.tensor([0.25, 0.25, 0.75, 0.75]) * side, side, ground)
    across = pixels[side // 2, : side // 2].sum(1)  # over its left side
    assert across.max() > 450
    assert across.min() < 100
    assert (pixels[side // 2, side // 2] == ground).all()


@pytest.mark.parametrize("side", [64, 224, 2000])
def test_points_are_rings_of_their_own_colour_that_grow_with_the_picture(side: int) -> None:
    value = torch.tensor([[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]]) * side
    pixels = drawn(POINTS, value, side)
    colours = set()
    for x, y in value.round().int().tolist():
        assert (pixels[y, x] == 255).all()  # hollow
        row = pixels[y, x : x + side // 8]
        painted = np.flatnonzero((row != 255).any(1) & (row.sum(1) > 100))
        assert 0.005 * side < painted[0] < 0.06 * side
        colours.add(tuple(row[painted[0]]))
    assert len(colours) == 3


def test_a_skeleton_joins_points_that_are_known() -> None:
    value = torch.tensor([[20.0, 100.0], [180.0, 100.0], [100.0, 180.0]])
    joined, alone = drawn(POINTS, value, 200), drawn(KeypointsTarget(POINTS.names), value, 200)
    assert (joined[100, 100] != 255).any()
    assert (alone[100, 100] == 255).all()
    value[1] = torch.nan
    assert (drawn(POINTS, value, 200)[100, 100] == 255).all()


def test_many_points_stay_apart() -> None:
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    value = 40 + 7.0 * torch.stack([columns, rows], -1).flatten(0, 1)
    pixels = drawn(KeypointsTarget(tuple(map(str, range(64)))), value, 224)
    assert (pixels[43:90:7, 43:90:7] == 255).all()  # between them


@pytest.mark.parametrize("target", [BoxTarget(), POINTS])
def test_the_truth_is_white_and_leaves_a_prediction_to_be_seen(target: Target) -> None:
    count = 4 if isinstance(target, BoxTarget) else 6
    found = torch.tensor([20.0, 30, 60, 90, 70, 20])[:count]
    value, truth = (each.reshape(4) if count == 4 else each.reshape(3, 2) for each in (found, found + 20))
    ground = Image.new("RGB", (128, 128), (90, 90, 90))
    before = np.asarray(target.draw(ground.copy(), value)).astype(int)
    both = np.asarray(target.draw_truth(target.draw(ground.copy(), value), truth)).astype(int)
    new = (before != both).any(2)
    assert (both[new] == 255).all(1).sum() > 5
    coloured = np.ptp(before, axis=2) > 60
    assert (coloured & ~new).sum() > 0.6 * coloured.sum()


@pytest.mark.parametrize("side", [256, 640, 2000])
def test_names_of_points_stand_beside_them_clear_of_rings_lines_and_borders(side: int) -> None:
    value = torch.tensor([[0.85, 0.3], [0.3, 0.3], [0.3, 0.7]]) * side
    ground, skeleton = (90, 140, 60), ((1, 0),)
    bare, named = (
        drawn(KeypointsTarget(names, skeleton=skeleton), value, side, ground)
        for names in ((" ", " ", " "), ("left_eye", "nose", "right_ear"))
    )
    new = (bare != named).any(2)
    assert (bare[new] == ground).all()  # names cover neither rings nor the line
    rows, columns = new.nonzero()
    assert (named[new] == 255).all(1).sum() > 20
    lowest = rows > 0.5 * side  # of the right ear alone
    assert 0.6 < np.ptp(rows[lowest]) / max(11, side / 50) < 2
    assert columns.max() < side - 1
    assert rows.min() > 0


def test_names_of_points_are_left_out_where_most_have_no_room_and_on_small_pictures() -> None:
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    value = 40 + 14.0 * torch.stack([columns, rows], -1).flatten(0, 1)
    words = tuple(f"a long name {number}" for number in range(64))
    assert np.array_equal(
        drawn(KeypointsTarget(words), value, 600), drawn(KeypointsTarget(tuple(" " * n for n in range(64))), value, 600)
    )
    one = torch.tensor([[60.0, 60.0]])
    assert np.array_equal(drawn(KeypointsTarget(("nose",)), one, 224), drawn(KeypointsTarget((" ",)), one, 224))
    missing = torch.full((1, 2), torch.nan)
    assert (drawn(KeypointsTarget(("nose",)), missing, 640) == 255).all()


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("side", [256, 640, 2000])
def test_words_of_objects_contrast_with_their_ground_at_any_size(side: int, number: int) -> None:
    picture = Image.new("RGB", (side, side), (90, 140, 60))
    colour = pick_class_colour(number + 1)
    draw_words(picture, (0.3 * side, 0.5 * side), colour, "ants 0.90")
    rows, columns = (np.asarray(picture) != (90, 140, 60)).any(2).nonzero()
    label = np.asarray(picture)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
    assert len(label) >= max(10, side / 45)
    grey = label @ (0.299, 0.587, 0.114)
    assert np.ptp(grey) > 90
    inked = np.abs(grey - np.median(grey)) > 45
    blank = np.flatnonzero(~inked.any(0))
    gaps = np.diff(np.flatnonzero(inked.any(0)))
    assert gaps.max() >= len(label) / 5  # the space between name and score
    assert len(blank) > 5


def test_words_keep_letters_beyond_ascii() -> None:
    pictures = [Image.new("RGB", (640, 640)) for _ in range(2)]
    for picture, words in zip(pictures, ("Waschbär 0.90", "Waschb?r 0.90"), strict=True):
        draw_words(picture, (100, 100), (230, 70, 60), words)
    assert np.asarray(pictures[0]).tobytes() != np.asarray(pictures[1]).tobytes()
