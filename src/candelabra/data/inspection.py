"""All that is odd in one sample whose image and mask are files."""

from pathlib import Path

from PIL import Image

from candelabra.data.decoding.image_files import open_image
from candelabra.data.decoding.images import DecodedImage, decode_image
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.errors import UnreadableFile

_KINDS = {"jpg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "jif": "JPEG", "tif": "TIFF", "dib": "BMP"}
_KINDS |= {"pgm": "PPM", "pbm": "PPM", "pnm": "PPM"}  # else a suffix says its own name
IssueList = list[DataIssue]


def inspect_image(root: Path, name: str) -> tuple[DecodedImage | None, IssueList]:
    """An image below a root, null where it cannot be read, and what is odd about it."""
    try:
        path = resolve_inside(root, name)
        seen = decode_image(path)
        with open_image(path) as image:
            more = _find_wrong_suffix(path, image.format or "") + _frames(image)
    except UnreadableFile as error:
        return None, [DataIssue("", "unreadable", IssueTreatment.SKIPPED, str(error))]
    return seen, [*seen.odd, *more, *_grey(seen), *_find_reduction(seen)]


def _find_wrong_suffix(path: Path, kind: str) -> IssueList:
    suffix = path.suffix.lower().lstrip(".")
    if _KINDS.get(suffix, suffix.upper()) == kind:
        return []
    return [DataIssue("", "named as another kind of image than it is", IssueTreatment.USED, f"{kind} named .{suffix}")]


def _frames(image: Image.Image) -> IssueList:
    try:
        count = getattr(image, "n_frames", 1)  # not every kind of image can have several
    except Exception:
        count = 1  # what follows the first image is damaged, and of no account
    return (
        [DataIssue("", "several images in one file, the first used", IssueTreatment.USED, f"{count}")]
        if count > 1
        else []
    )


def _grey(seen: DecodedImage) -> IssueList:
    if any(each.what in ("one channel", "one bit a pixel") for each in seen.odd):
        return []
    grey = (seen.pixels == seen.pixels[:, :, :1]).all()
    return [DataIssue("", "grey, kept as colours", IssueTreatment.USED)] if grey else []


def _find_reduction(seen: DecodedImage) -> IssueList:
    height, width = seen.pixels.shape[:2]
    if (width, height) == seen.size:
        return []
    detail = f"{seen.size[0]} x {seen.size[1]} pixels, read at {width} x {height}"
    return [DataIssue("", "larger than is decoded at once, read smaller", IssueTreatment.USED, detail)]
