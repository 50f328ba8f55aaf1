"""Embed the pictures of a run in a page, reduced to the size at which they are displayed."""

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
_AREA = 100_000_000  # pixels of the largest file that is decoded
_MAX_UNCHANGED = 150_000  # bytes up to which a file is embedded unchanged
_MAX_PICTURES = 24  # pictures on a page
_CAPTIONS = {
    "predictions": "Test images: truth on the left of each pair; on its right the prediction, with the truth in white",
    "plan": "Learning rate of each part in each epoch",
    "lr": "The loss over the rates that were tried",
    "probe": "Score of each rate and decay of the probe",
    "history": "The objective over the trials",
    "importance": "How much each word matters for the objective",
    "compare": "Runs beside each other",
}
_DRAWN = ("curves",)  # replaced by interactive figures


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture of a page.

    Attributes:
        name: of its file.
        words: its caption.
        source: a `data:` URL.
        width: pixels.
        height: pixels.
    """

    name: str
    words: str
    source: str
    width: int
    height: int


def read_embedded_images(folders: Sequence[Path]) -> tuple[list[EmbeddedImage], list[str]]:
    """Read the PNG files of folders, the most important first.

    Returns:
        The pictures, and a sentence for each problem.
    """
    files = [path for folder in folders for path in sorted(folder.glob("*.png"))]
    files = sorted((path for path in files if path.stem not in _DRAWN), key=lambda path: _display_order(path.stem))
    found, problems = [], []
    for path in files[:_MAX_PICTURES]:
        try:
            found.append(_embed_picture(path))
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises SyntaxError for broken files
            problems.append(f"{path.name} cannot be shown: {' '.join(str(error).split())}")
    if len(files) > _MAX_PICTURES:
        problems.append(f"{len(files) - _MAX_PICTURES} further pictures are not on this page: {files[0].parent}")
    return found, problems


def format_data_url(content: bytes, kind: str) -> str:
    """The content of an image file as a URL that a page carries inside.

    Args:
        content: the bytes of the file.
        kind: png or jpeg.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _embed_picture(path: Path) -> EmbeddedImage:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the area is checked below
        image = Image.open(path, formats=["PNG"])
    with image:
        width, height = image.size
        if width * height > _AREA:
            raise ValueError(f"it has {width} x {height} pixels")
        image.load()
        content, kind = path.read_bytes(), "png"
        if len(content) > _MAX_UNCHANGED or max(width, height) > _SIDE:
            content, kind = _compress_image(image), "jpeg"
    source = format_data_url(content, kind)
    scale = min(1.0, _SIDE / max(width, height))
    return EmbeddedImage(path.name, _caption_picture(path.stem), source, round(width * scale), round(height * scale))


def _compress_image(image: "Image.Image") -> bytes:
    from PIL import Image

    flat = Image.new("RGB", image.size, "white")
    flat.paste(image.convert("RGB"), mask=image.getchannel("A") if image.mode in ("RGBA", "LA") else None)
    flat.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    flat.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _display_order(stem: str) -> int:
    return [*_CAPTIONS].index(stem) if stem in _CAPTIONS else len(_CAPTIONS)


def _caption_picture(stem: str) -> str:
    if stem.endswith("_confusion"):
        return f"{stem.removesuffix('_confusion')}: rows are the truth, columns the prediction"
    if stem.endswith("_precision_recall"):
        return f"{stem.removesuffix('_precision_recall')}: precision over recall; dots are the scores that predict uses"
    return _CAPTIONS.get(stem, stem.replace("_", " "))
