"""Pictures that a run has drawn, held in the page itself, no larger than they are looked at."""

import base64
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_SIDE = 1600  # pixels of the longer side
_AREA = 100_000_000  # pixels of a file that is opened
_LIGHT = 150_000  # bytes of a file that is taken as it is
_MOST = 24  # pictures on a page
_KNOWN = {
    "predictions": "Test images: the truth on the left of each pair, the prediction on its right",
    "plan": "What learns when, and how fast",
    "lr": "The loss over the rates that were tried",
    "probe": "Score of each rate and decay of the probe",
    "history": "The objective over the trials",
    "importance": "How much each word matters for the objective",
    "compare": "Runs beside each other",
}
_DRAWN = ("curves",)  # the page draws them better


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture of the page.

    Attributes:
        name: of its file.
        words: what it shows.
        source: a `data:` address.
        width: pixels.
        height: pixels.
    """

    name: str
    words: str
    source: str
    width: int
    height: int


def read_embedded_images(folders: Sequence[Path]) -> tuple[list[EmbeddedImage], list[str]]:
    """The pictures that lie in folders, what people look at first before the rest; and what cannot be shown."""
    files = [path for folder in folders for path in sorted(folder.glob("*.png"))]
    files = sorted((path for path in files if path.stem not in _DRAWN), key=lambda path: _place(path.stem))
    found, problems = [], []
    for path in files[:_MOST]:
        try:
            found.append(_picture(path))
        except (OSError, ValueError, SyntaxError) as error:  # as Pillow says it of broken files
            problems.append(f"{path.name} cannot be shown: {' '.join(str(error).split())}")
    if len(files) > _MOST:
        problems.append(f"{len(files) - _MOST} further pictures are not on this page: {files[0].parent}")
    return found, problems


def _picture(path: Path) -> EmbeddedImage:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the area is looked at below
        image = Image.open(path, formats=["PNG"])
    with image:
        width, height = image.size
        if width * height > _AREA:
            raise ValueError(f"it has {width} x {height} pixels")
        image.load()
        content, kind = path.read_bytes(), "png"
        if len(content) > _LIGHT or max(width, height) > _SIDE:
            content, kind = _lighter(image), "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    scale = min(1.0, _SIDE / max(width, height))
    return EmbeddedImage(path.name, _words(path.stem), source, round(width * scale), round(height * scale))


def _lighter(image: "Image.Image") -> bytes:
    from PIL import Image

    flat = Image.new("RGB", image.size, "white")
    flat.paste(image.convert("RGB"), mask=image.getchannel("A") if image.mode in ("RGBA", "LA") else None)
    flat.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    flat.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _place(stem: str) -> int:
    return [*_KNOWN].index(stem) if stem in _KNOWN else len(_KNOWN)


def _words(stem: str) -> str:
    if stem.endswith("_confusion"):
        return f"{stem.removesuffix('_confusion')}: rows are the truth, columns the prediction"
    return _KNOWN.get(stem, stem.replace("_", " "))
