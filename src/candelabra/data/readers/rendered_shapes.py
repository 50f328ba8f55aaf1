"""A built-in data set of rendered scenes, of which the depth of each pixel and some numbers are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from candelabra.data.readers.generated_samples import GeneratedSamples
from candelabra.data.readers.reader import Reader
from candelabra.data.readers.shapes import SHAPE_CLASSES, make_outline, turn_points
from candelabra.data.samples import Samples, image_to_tensor, make_sample
from candelabra.data.targets import (
    DepthTarget,
    FlowTarget,
    Labels,
    MaskTarget,
    NormalsTarget,
    ValueTarget,
    VectorMapTarget,
)
from candelabra.errors import CandelabraError
from candelabra.types import Sample

_WALL = (6.0, 12.0)  # metres
_NEAR = 1.5
_SPAN = 4.0  # metres of the wall that an image shows
_FOG = np.array([200.0, 205.0, 215.0])
_CLEAR = 6.0  # metres, after which a share of 1 / e of a colour is left
_LIGHT = np.array([-0.5, -0.5, math.sqrt(0.5)])  # from the upper left, over the viewer's shoulder
_RADIUS = 0.22  # of a shape at one metre, in sides of the image; each varies by a fifth


@dataclass(frozen=True, kw_only=True)
class RenderedShapes(Reader):
    """Shapes in fog before a slanted wall: `depth` in metres, `mask`, and `value` with count and mean_size.

    Scene `i` is a function of `drawing_seed` and `i`. Farther shapes are smaller and paler; shapes hide each other at
    most by a third. mean_size is the mean diameter of the shapes, in hundredths of a side.

    Args:
        count: scenes in all; 70 % train, 15 % val, 15 % test.
        canvas: side of a scene as rendered, in pixels.
        objects: in the fullest scenes, 1 to 20; each number up to it is as frequent.
        normals: shapes are lit domes, whose height depth leaves out, and `normals` are labelled: to the right, down,
            and to the viewer.
        flow: `flow` is labelled: from each pixel of a shape to its middle; unknown on the wall.
        drawing_seed: of the scenes; on the command line it is `data.split_seed` by default.
    """

    count: int = 1000
    canvas: int = 128
    objects: int = 6
    normals: bool = False
    flow: bool = False
    drawing_seed: int = 0

    def read(self) -> Samples:
        if not 1 <= self.objects <= 20:
            raise CandelabraError(f"data.objects={self.objects} is out of range; allowed are 1 to 20.")
        vectors = (*([NormalsTarget()] if self.normals else []), *([FlowTarget()] if self.flow else []))
        return RenderedScenes(self.count, self.canvas, self.objects, self.drawing_seed, vectors)


class RenderedScenes(GeneratedSamples):
    """Rendered scenes by number; see `RenderedShapes`."""

    def __init__(
        self, count: int, canvas: int, objects: int, seed: int, vectors: Sequence[VectorMapTarget] = ()
    ) -> None:
        labels = Labels(DepthTarget(), MaskTarget(("wall", "shape")), ValueTarget(("count", "mean_size")), *vectors)
        super().__init__(labels, np.zeros(count, np.int64), canvas, seed)
        self.objects = objects

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        rng, side = np.random.default_rng((self.seed, index)), self.canvas
        across, down = np.meshgrid(*[(np.arange(side) + 0.5) / side - 0.5] * 2)
        slant = rng.uniform(-2, 2, 2)
        depth = rng.uniform(*_WALL) + slant[0] * across + slant[1] * down
        nearest_wall = depth.min()
        colour = np.broadcast_to(rng.uniform(60, 130, 3), (side, side, 3)).copy()
        mask = np.zeros((side, side), np.uint8)
        steep = np.stack([*np.broadcast_arrays(*slant / _SPAN, np.ones((side, side)))], 2)
        normals = steep / np.linalg.norm(steep, axis=2, keepdims=True)
        flow = np.full((2, side, side), np.nan)
        placed: list[tuple[float, float, float]] = []
        wanted = int(rng.integers(1, self.objects + 1))
        for _ in range(200 * wanted):  # places that are taken are drawn again
            distance = _NEAR * (nearest_wall / _NEAR) ** rng.uniform(0, 0.9)
            radius = side * _RADIUS / distance * rng.uniform(0.8, 1.2)
            x, y = rng.uniform(radius, side - radius, 2)
            if all(math.hypot(x - u, y - v) > 0.85 * (radius + r) for u, v, r in placed):
                placed.append((x, y, radius))
                form = make_outline(SHAPE_CLASSES[rng.integers(len(SHAPE_CLASSES))]) * radius
                outline = turn_points(form, rng.uniform(0, 2 * math.pi)) + np.array([x, y])
                drawn = Image.new("L", (side, side))
                ImageDraw.Draw(drawn).polygon([tuple(xy) for xy in outline], fill=1)
                inside = (np.asarray(drawn) > 0) & (distance < depth)
                depth[inside], mask[inside] = distance, 1
                colour[inside] = rng.uniform(60, 255, 3) * (rng.random(3) < 0.7)
                normals[inside] = make_dome(side, (x, y), 1.1 * radius)[inside]
                flow[:, inside] = (np.array([x, y])[:, None, None] - (0.5 + np.indices((side, side))[::-1]))[:, inside]
            if len(placed) == wanted:
                break
        if NormalsTarget.name in self.labels:
            colour = colour * (0.3 + 0.7 * (normals @ _LIGHT).clip(0))[..., None]
        clear = np.exp(-depth / _CLEAR)[..., None]
        pixels = colour * clear + _FOG * (1 - clear) + rng.normal(0, 3, colour.shape)
        size = 200 * np.mean([radius for _, _, radius in placed]) / side
        values = {
            DepthTarget.name: torch.from_numpy((np.round(depth * 1000) / 1000).astype(np.float32)),
            MaskTarget.name: image_to_tensor(mask),
            ValueTarget.name: torch.tensor([len(placed), float(size)], dtype=torch.float32),
            NormalsTarget.name: torch.from_numpy(normals.transpose(2, 0, 1).astype(np.float32)),
            FlowTarget.name: torch.from_numpy(flow.astype(np.float32)),
        }
        values = {name: values[name] for name in self.labels}
        return make_sample(image_to_tensor(pixels.clip(0, 255).astype(np.uint8)), self.labels, values)


def make_dome(side: int, centre: tuple[float, float], radius: float) -> NDArray[np.float64]:
    """Normals (side, side, 3) of a sphere before the viewer, around `centre` XY in pixels; beyond it, of its rim."""
    rows, columns = np.indices((side, side)) + 0.5
    across = np.stack([columns - centre[0], rows - centre[1]], 2) / radius
    across /= np.linalg.norm(across, axis=2, keepdims=True).clip(1)
    return np.concatenate([across, np.sqrt(1 - np.square(across).sum(2, keepdims=True).clip(0, 1))], 2)
