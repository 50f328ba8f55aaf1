"""A built-in data set of digits that are blurred to several degrees."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from candelabra.data.readers.digits import PlacedDigits
from candelabra.data.readers.generated_samples import GeneratedSamples
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples, image_to_tensor, make_sample
from candelabra.data.targets import Labels, LabelTarget, OrdinalTarget
from candelabra.types import Sample

_GRADES = ("sharp", "soft", "blurred", "very blurred", "washed out")
_RADII = (0.0, 0.012, 0.024, 0.048, 0.096)  # of Gaussian blur, in sides of the canvas


@dataclass(frozen=True, kw_only=True)
class BlurredDigits(Reader):
    """The digits of `Digits`, each blurred to one of five degrees: `ordinal` is the degree, `label` the digit.

    Args:
        canvas: side of the canvas, in pixels.
        drawing_seed: of place, size and blur of each digit; on the command line it is `data.split_seed` by default.
    """

    symmetric = False

    canvas: int = 64
    drawing_seed: int = 0

    def read(self) -> Samples:
        return BlurredSamples(self.canvas, self.drawing_seed)


class BlurredSamples(GeneratedSamples):
    """Blurred digits by number."""

    def __init__(self, canvas: int, seed: int) -> None:
        self.digits = PlacedDigits(canvas, seed)
        labels = Labels(self.digits.labels[LabelTarget], OrdinalTarget(_GRADES))
        super().__init__(labels, self.digits.strata, canvas, seed)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        rng = np.random.default_rng((self.seed, index, 1))
        sharp, grade = self.digits[index], int(rng.integers(len(_GRADES)))
        image = Image.fromarray(sharp["image"].permute(1, 2, 0).numpy())
        radius = self.canvas * _RADII[grade] * rng.uniform(0.85, 1.15)
        pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)) if grade else image, np.float32)
        noisy = (pixels + rng.normal(0, 4, pixels.shape[:2])[..., None]).clip(0, 255).astype(np.uint8)
        values = {LabelTarget.name: sharp[LabelTarget.name], OrdinalTarget.name: torch.tensor(grade)}
        return make_sample(image_to_tensor(noisy), self.labels, values)
