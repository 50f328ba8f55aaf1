"""scikit-learn's handwritten digits (Alpaydin & Kaynak 1998), each placed on a canvas: label, box and mask."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from candelabra.data.readers.generated_samples import GeneratedSamples
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples, image_to_tensor, make_sample
from candelabra.data.targets import BoxTarget, Labels, LabelTarget, MaskTarget
from candelabra.types import Sample


@dataclass(frozen=True, kw_only=True)
class Digits(Reader):
    """1,797 handwritten digits of 8 x 8 pixels (scikit-learn), enlarged and placed at random on a noisy canvas.

    Args:
        canvas: side of the canvas, in pixels.
        drawing_seed: of place and size of each digit; on the command line it is `data.split_seed` by default.
    """

    symmetric = False

    canvas: int = 64
    drawing_seed: int = 0

    def read(self) -> Samples:
        return PlacedDigits(self.canvas, self.drawing_seed)


class PlacedDigits(GeneratedSamples):
    """Digits by number; place and size of each are a function of the seed."""

    def __init__(self, canvas: int, seed: int) -> None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        self.pixels = (digits.images * 15.9375).astype(np.uint8)
        labels = Labels(
            LabelTarget(tuple(str(digit) for digit in range(10))), BoxTarget(), MaskTarget(("background", "ink"))
        )
        super().__init__(labels, digits.target.astype(np.int64), canvas, seed)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        side = int(self.canvas * rng.uniform(0.4, 0.8))
        left, top = rng.integers(0, self.canvas - side + 1, 2)
        digit = np.asarray(Image.fromarray(self.pixels[index]).resize((side, side), Image.Resampling.BICUBIC))
        canvas = rng.integers(0, 60, (self.canvas, self.canvas), dtype=np.uint8)
        place = (slice(top, top + side), slice(left, left + side))
        canvas[place] = np.maximum(canvas[place], digit)
        mask = np.zeros((self.canvas, self.canvas), np.uint8)
        mask[place] = digit > 100
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        pixels = np.repeat(canvas[..., None], 3, 2)
        values = {
            LabelTarget.name: torch.tensor(int(self.strata[index])),
            BoxTarget.name: box,
            MaskTarget.name: image_to_tensor(mask),
        }
        return make_sample(image_to_tensor(pixels), self.labels, values)
