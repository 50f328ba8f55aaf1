"""YOLO's text files: a line an object, `class x y width height` as shares of the image, then points or an outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.images import Unreadable, size_of
from candelabra.data.issues import Oddity, Treatment
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.readers.folder import must_be_folder
from candelabra.data.readers.object_annotations import Picture, Thing, gather
from candelabra.data.readers.object_choice import Rule
from candelabra.data.readers.point_symmetry import Points, points
from candelabra.data.readers.repairs import read_text
from candelabra.data.readers.yolo_lines import thing_of
from candelabra.data.readers.yolo_yaml import YoloSet, find_set
from candelabra.data.samples import Samples


@dataclass(kw_only=True, eq=False)
class Yolo(DataModule):
    """Labels of detection, segmentation or pose beside images: `images/...` has its labels in `labels/...`.

    Label, box and keypoints are those of one object, see `objects`; masks show all objects by class, where all of an
    image have an outline. The yaml of the data set gives names, splits, `kpt_shape` and `flip_idx`.

    Args:
        root: the folder; nothing outside is read, whatever the yaml says.
        file: the yaml, below root; null looks for it, and without one classes have their numbers as names.
        objects: which of several objects is meant: largest, first, or single (then such an image has no label).
        classes: those to look at; null for all.
        mirror: pairs of points that swap in a mirror image; null goes by the yaml.
        normalizer: two points whose distance makes the keypoint error relative; empty for none.
    """

    root: str
    file: str | None = None
    objects: Rule = "largest"
    classes: Sequence[str] | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()

    def read(self) -> Samples:
        root = must_be_folder(self.root)
        oddities: list[Oddity] = []
        described = find_set(root, self.file, oddities)
        pictures = [_picture(root, *pair, described, oddities) for pair in described.pairs]
        numbers = {thing.name for picture in pictures for thing in picture.things or ()}
        known = list(described.names.values()) or sorted(numbers, key=int)
        return gather(root, pictures, self.objects, known, self.classes, self._points(described), oddities)

    def _points(self, described: YoloSet) -> Points:
        if not described.points:
            return Points()
        return points(described.points, self.mirror, self.normalizer, described.mirror)


def _picture(
    root: Path, split: str, image: Path, labels: Path | None, described: YoloSet, oddities: list[Oddity]
) -> Picture:
    name = str(image.relative_to(root))
    if labels is None:
        oddities.append(Oddity(name, "image without a label file", Treatment.UNLABELLED))
        return Picture(name, split)
    return Picture(name, split, _things(labels, image, name, described, oddities))


def _things(path: Path, image: Path, name: str, described: YoloSet, oddities: list[Oddity]) -> list[Thing] | None:
    """The objects of one file; null where it cannot be read."""
    text = read_text(path, name, oddities)
    if text is None:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        oddities.append(Oddity(name, "label file without an object", Treatment.UNLABELLED))
        return []
    try:
        size = size_of(image)
    except Unreadable:
        return None  # it is left out later, with the reason
    try:
        return [thing_of(line.split(), described.names, described.shape, size) for line in lines]
    except (ValueError, OverflowError) as error:
        oddities.append(Oddity(name, "malformed line of labels", Treatment.UNLABELLED, str(error)))
        return None
