"""The built-in data sets: synthetic scenes of one object or of many, drawn on demand."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from candelabra.data.readers.generated_samples import GeneratedSamples
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples, image_to_tensor, make_sample
from candelabra.data.targets import (
    BoxesTarget,
    BoxTarget,
    InstancesTarget,
    KeypointsTarget,
    Labels,
    LabelTarget,
    MaskTarget,
)
from candelabra.data.targets.instance_maps import MOST_OBJECTS, make_rows, pack_object, unpack_classes
from candelabra.errors import CandelabraError
from candelabra.types import Sample

SHAPE_CLASSES = ("circle", "square", "triangle", "star", "cross")
_POINTS = ("left_eye", "right_eye", "mouth")


@dataclass(frozen=True, kw_only=True)
class Shapes(Reader):
    """A shape with a face, rotated and coloured at random, among clutter; `label` is its form.

    Scene `i` is a function of `drawing_seed` and `i`. Form and colour are independent, position and size vary, and
    clutter has the same colours: a linear classifier of pixels does no better than chance.

    Args:
        count: scenes in all; 70 % train, 15 % val, 15 % test.
        canvas: side of a scene as drawn, in pixels.
        drawing_seed: of the scenes; on the command line it is `data.split_seed` by default.
    """

    count: int = 2000
    canvas: int = 128
    drawing_seed: int = 0

    def read(self) -> Samples:
        return Scenes(self.count, self.canvas, self.drawing_seed)


class Scenes(GeneratedSamples):
    """Drawn scenes by number; see `Shapes`."""

    def __init__(self, count: int, canvas: int, seed: int) -> None:
        labels = Labels(
            LabelTarget(SHAPE_CLASSES),
            BoxTarget(),
            KeypointsTarget(_POINTS, mirrored=(1, 0, 2)),
            MaskTarget(("background", "shape")),
        )
        super().__init__(labels, np.arange(count, dtype=np.int64) % len(SHAPE_CLASSES), canvas, seed)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        side = self.canvas
        image = _background(rng, side)
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(4, 9)):
            _clutter(draw, rng, side)
        label = int(self.strata[index])
        radius = side * rng.uniform(0.14, 0.28)
        centre = rng.uniform(radius * 1.05, side - radius * 1.05, 2)
        turn = math.radians(rng.uniform(-25, 25))
        outline = turn_points(make_outline(SHAPE_CLASSES[label]) * radius, turn) + centre
        face = turn_points(np.array([[-0.22, -0.12], [0.22, -0.12], [0.0, 0.22]]) * radius, turn) + centre
        paint = [tuple(xy) for xy in outline]
        colour = _colour(rng)
        draw.polygon(paint, fill=colour)
        dark = sum(colour) > 330
        for eye in face[:2]:
            _dot(draw, eye, radius * 0.09, (0, 0, 0) if dark else (255, 255, 255))
        _dot(draw, face[2], radius * 0.12, (160, 0, 0) if dark else (255, 120, 120))
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).polygon(paint, fill=1)
        values = {
            LabelTarget.name: torch.tensor(label),
            BoxTarget.name: torch.tensor([*outline.min(0), *outline.max(0)]).clamp(0, side),
            KeypointsTarget.name: torch.from_numpy(face.astype(np.float32)),
            MaskTarget.name: image_to_tensor(np.asarray(mask)),
        }
        return make_sample(image_to_tensor(np.asarray(image)), self.labels, values)


@dataclass(frozen=True, kw_only=True)
class ManyShapes(Reader):
    """Several shapes a scene among lines, as many as half to all of `objects`: `boxes`, `instances` and `mask`.

    Scene `i` is a function of `drawing_seed` and `i`. Shapes touch and hide each other at most by a third.

    Args:
        count: scenes in all; 70 % train, 15 % val, 15 % test.
        canvas: side of a scene as drawn, in pixels.
        objects: in the fullest scenes, at least 1; with more of them, shapes are smaller.
        drawing_seed: of the scenes; on the command line it is `data.split_seed` by default.
    """

    count: int = 1000
    canvas: int = 128
    objects: int = 8
    drawing_seed: int = 0

    def read(self) -> Samples:
        if not 1 <= self.objects <= MOST_OBJECTS:
            raise CandelabraError(f"data.objects={self.objects} is out of range; allowed are 1 to {MOST_OBJECTS}.")
        return CrowdedScenes(self.count, self.canvas, self.objects, self.drawing_seed)


class CrowdedScenes(GeneratedSamples):
    """Drawn scenes of several objects by number; see `ManyShapes`."""

    def __init__(self, count: int, canvas: int, objects: int, seed: int) -> None:
        labels = Labels(
            BoxesTarget(SHAPE_CLASSES), InstancesTarget(SHAPE_CLASSES), MaskTarget(("background", *SHAPE_CLASSES))
        )
        super().__init__(labels, np.zeros(count, np.int64), canvas, seed)
        self.objects = objects

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        rng, side = np.random.default_rng((self.seed, index)), self.canvas
        image, numbers = _background(rng, side), Image.new("I", (side, side))
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(4, 9)):
            _draw_line(draw, rng, side)
        wanted = int(rng.integers((self.objects + 1) // 2, self.objects + 1))
        classes: list[int] = []
        centres, radii = np.zeros((0, 2)), np.zeros(0)
        for _ in range(50 * wanted):  # places that are taken are drawn again; a full scene holds fewer
            radius = side * rng.uniform(0.25, 0.45) / math.sqrt(self.objects)
            centre = rng.uniform(radius, side - radius, 2)
            turn, colour, label = rng.uniform(0, 2 * math.pi), _colour(rng), int(rng.integers(len(SHAPE_CLASSES)))
            if (np.linalg.norm(centres - centre, axis=1) < 0.8 * (radii + radius)).any():
                continue
            paint = [tuple(xy) for xy in turn_points(make_outline(SHAPE_CLASSES[label]) * radius, turn) + centre]
            draw.polygon(paint, fill=colour)
            ImageDraw.Draw(numbers).polygon(paint, fill=pack_object(len(classes) + 1, label))
            classes.append(label)
            centres, radii = np.concatenate([centres, centre[None]]), np.append(radii, radius)
            if len(classes) == wanted:
                break
        value = torch.from_numpy(np.array(numbers))
        mask = torch.where(value > 0, unpack_classes(value) + 1, 0).to(torch.uint8)
        values = {BoxesTarget.name: make_rows(value), InstancesTarget.name: value, MaskTarget.name: mask}
        return make_sample(image_to_tensor(np.asarray(image)), self.labels, values)


def _background(rng: np.random.Generator, side: int) -> Image.Image:
    """A soft texture: coarse noise, blown up."""
    coarse = rng.integers(40, 216, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3)
    return int(red), int(green), int(blue)


def _clutter(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    """A line or a small shape without a face."""
    x, y = rng.uniform(0, side, 2)
    if rng.random() < 0.5:
        _draw_line(draw, rng, side, (x, y))
        return
    outline = make_outline(SHAPE_CLASSES[rng.integers(len(SHAPE_CLASSES))]) * rng.uniform(0.03, 0.09) * side
    points = turn_points(outline, rng.uniform(0, 2 * math.pi)) + np.array([x, y])
    draw.polygon([tuple(xy) for xy in points], fill=_colour(rng))


def _draw_line(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, start: tuple[float, float] | None = None
) -> None:
    x, y = rng.uniform(0, side, 2) if start is None else start
    dx, dy = rng.uniform(-side / 2, side / 2, 2)
    draw.line((x, y, x + dx, y + dy), fill=_colour(rng), width=int(rng.integers(1, 4)))


def _dot(draw: ImageDraw.ImageDraw, centre: NDArray[np.float64], radius: float, colour: tuple[int, int, int]) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def turn_points(points: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """Points (n, 2) XY turned around the origin by an angle in radians."""
    cos, sin = math.cos(turn), math.sin(turn)
    turned: NDArray[np.float64] = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def make_outline(name: str) -> NDArray[np.float64]:
    """Corners (n, 2) of a form of radius 1 around the origin, y downwards."""
    if name == "cross":
        arm = 0.42
        quarter = np.array([[-arm, -1.0], [arm, -1.0], [arm, -arm]])
        return np.concatenate([turn_points(quarter, math.pi / 2 * i) for i in range(4)])
    corners = {"circle": 32, "square": 4, "triangle": 3, "star": 10}[name]
    start = math.pi / 4 if name == "square" else 0.0
    angles = start + np.arange(corners) * 2 * math.pi / corners
    radius = np.where(np.arange(corners) % 2, 0.5, 1.0) if name == "star" else np.ones(corners)
    outline: NDArray[np.float64] = np.stack([np.sin(angles), -np.cos(angles)], 1) * radius[:, None]
    return outline
