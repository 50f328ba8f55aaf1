"""What a model says of one image."""

import html
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from candelabra.data.targets import Target
from candelabra.errors import CandelabraError
from candelabra.prediction.input_images import InputImage
from candelabra.report.html.embedded_images import format_data_url
from candelabra.report.pictures import caption_sample, draw_sample
from candelabra.types import Size

_LEAST_SIDE = 256  # pixels of the longer side of a picture


class Prediction:
    """What the heads say of one image, in pixels of that image; each head is an attribute by its name.

    The attribute of a class head is a `LabelResult` (`.label.name`, `.label.probability`, `.label.top(5)`), that of a
    box head a `BoundingBox` (xmin, ymin, xmax, ymax), that of a point head a mapping of names to `Point` (x, y), that
    of a mask head an array (H, W) uint8 of class indices; see `Target.to_result`.

    Args:
        image: that was given.
        size: (H, W) of it, in pixels.
        values: the prediction of each head, by name.
        targets: what each head predicts, by name.
    """

    def __init__(
        self, image: InputImage, size: Size, values: Mapping[str, Tensor], targets: Mapping[str, Target]
    ) -> None:
        self.image, self.size, self.values, self.targets = image, size, values, targets

    @property
    def name(self) -> str:
        """The path of the image, or its number."""
        return self.image.name

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("values", {})
        if name in values:
            return self.targets[name].to_result(values[name])
        raise AttributeError(f"Prediction has no attribute {name!r}; the heads of the model are {', '.join(values)}.")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.values]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: the name and size of the image, and what each head says."""
        said = {name: target.to_json_result(self.values[name]) for name, target in self.targets.items()}
        return {"image": self.name, "height": self.size[0], "width": self.size[1], **said}

    def draw(self) -> Image.Image:
        """Draws the predictions on the image; one below 256 pixels is enlarged first, so that words can be read."""
        pixels = self.image.read_pixels()
        factor = math.ceil(_LEAST_SIDE / max(pixels.shape[:2]))
        pixels = pixels.repeat(factor, 0).repeat(factor, 1)
        size, scale = (pixels.shape[0], pixels.shape[1]), pixels.shape[1] / self.size[1]
        placed = {name: target.enlarge(self.values[name], scale, size) for name, target in self.targets.items()}
        return draw_sample(pixels, placed, self.targets)

    def show(self) -> None:
        """Shows the picture in a window; in a notebook the prediction shows itself."""
        self.draw().show()

    def save(self, path: str | Path) -> None:
        """Writes the picture; or, to a path that ends in .json, `to_dict`.

        Raises:
            CandelabraError: the ending is of no kind of picture.
        """
        path = Path(path)
        if path.suffix.lower() == ".json":
            path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            return
        try:
            self.draw().save(path)
        except ValueError as error:
            raise CandelabraError(f"{path}: {error}; give a name such as picture.png or prediction.json.") from error

    def _repr_html_(self) -> str:
        buffer = io.BytesIO()
        picture = self.draw()
        picture.thumbnail((512, 512))
        picture.save(buffer, "PNG")
        words, source = html.escape(repr(self)), format_data_url(buffer.getvalue(), "png")
        return f'<img src="{source}" alt="{words}"><br>{words}'

    def __repr__(self) -> str:
        return f"Prediction({self.name}: {caption_sample(self.values, self.targets) or ', '.join(self.values)})"
