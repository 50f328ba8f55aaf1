"""Pascal VOC's xml files (Everingham et al. 2010), beside images or in a folder of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from candelabra.data.datamodule import DataModule
from candelabra.data.folder import ALIASES, must_be_folder
from candelabra.data.images import find_images
from candelabra.data.lists import find_lists, split_of
from candelabra.data.objects import Picture, Rule, Thing, gather
from candelabra.data.oddities import Oddity, Treatment
from candelabra.data.repairs import parse_xml, read_text
from candelabra.data.samples import Samples
from candelabra.data.sides import Points
from candelabra.errors import CandelabraError

IMAGES = ("JPEGImages", "images", "Images", "img", "imgs")
ANNOTATIONS = ("Annotations", "annotations", "annots", "annotations/xmls", "xmls", "labels")


@dataclass(kw_only=True, eq=False)
class Voc(DataModule):
    """One xml file an image, with its name; label and box are those of one object, see `objects`.

    VOC counts pixels from 1. Lists of names (`ImageSets/Main/<split>.txt`, or `<split>.txt` beside the folders) are
    the published split, as are folders `train`, `valid` and `test` that hold images and xml files.

    Args:
        root: the folder, or one that holds it.
        images, annotations: the folders of images and xml files, below root; null looks for them.
        objects: which of several objects is meant: largest, first, or single (then such an image has no label).
        classes: those to look at; null for all.
    """

    root: str
    images: str | None = None
    annotations: str | None = None
    objects: Rule = "largest"
    classes: Sequence[str] | None = None

    def read(self) -> Samples:
        root = must_be_folder(self.root)
        oddities: list[Oddity] = []
        pictures: list[Picture] = []
        for split, images, annotations in self._folders(root):
            pictures += _pictures(root, split, images, annotations, oddities)
        known = sorted({thing.name for picture in pictures for thing in picture.things or ()})
        return gather(root, pictures, self.objects, known, self.classes, Points(), oddities)

    def _folders(self, root: Path) -> list[tuple[str, Path, Path]]:
        """Where images and xml files are, and which split that is."""
        if self.images is not None or self.annotations is not None:
            images, annotations = root / (self.images or ""), root / (self.annotations or self.images or "")
            for folder, argument in ((images, "images"), (annotations, "annotations")):
                if not folder.is_dir():
                    raise CandelabraError(f"data.{argument} is not a folder below data.root={self.root} ({folder}).")
            return [("", images, annotations)]
        found = find_folders(root)
        if not found:
            raise CandelabraError(
                f"data.root={self.root} has no folders of images and of xml files; expected {', '.join(IMAGES[:3])} and "
                f"{', '.join(ANNOTATIONS[:4])}, or both in one folder (other names: data.images=... "
                "data.annotations=...)."
            )
        return found


def find_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """Split, images and annotations of a data set in VOC's layout at root, or in the one folder below that has it."""
    for level in (root.parent.glob(root.name), root.glob("*/"), root.glob("*/*/")):
        found = [pairs for base in sorted(level) if base.is_dir() and (pairs := _at(base))]
        if len(found) > 1:
            bases = ", ".join(str(pairs[0][1].relative_to(root)) for pairs in found)
            raise CandelabraError(f"data.root={root} holds several sets of xml files ({bases}); give one of them.")
        if found:
            return found[0]
    return []


def _at(base: Path) -> list[tuple[str, Path, Path]]:
    images = [base / name for name in IMAGES if (base / name).is_dir()]
    labels = [base / name for name in ANNOTATIONS if _has_xml(base / name)]
    if images and labels:
        return [("", images[0], labels[0])]
    splits = [(ALIASES[path.name.lower()], path) for path in sorted(base.glob("*/")) if path.name.lower() in ALIASES]
    divided = [(split, path, path) for split, path in splits if _has_xml(path)]
    return divided or ([("", base, base)] if _has_xml(base) else [])


def _has_xml(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix.lower() == ".xml" for path in folder.iterdir())


def _pictures(root: Path, split: str, images: Path, annotations: Path, oddities: list[Oddity]) -> list[Picture]:
    files = {str(path.relative_to(images).with_suffix("")): path for path in find_images(images)}
    labels = {}
    for path in sorted(annotations.rglob("*")):
        if path.suffix.lower() == ".xml" and not path.name.startswith("."):
            stem = str(path.relative_to(annotations).with_suffix(""))
            labels[stem] = path
            if stem not in files:
                name = str(path.relative_to(root))
                oddities.append(Oddity(name, "label file without an image", Treatment.SKIPPED))
    splits = {} if split else _listed([images.parent, annotations.parent, annotations], set(files), oddities)
    pictures = []
    for stem, image in files.items():
        if splits and stem not in splits:
            continue
        name = str(image.relative_to(root))
        things = _things(labels[stem], name, oddities) if stem in labels else None
        if stem not in labels:
            oddities.append(Oddity(name, "image without a label file", Treatment.UNLABELLED))
        pictures.append(Picture(name, splits.get(stem, split), things))
    return pictures


def _listed(bases: Sequence[Path], stems: set[str], oddities: list[Oddity]) -> dict[str, str]:
    """The split of each image that is in a list, by its name without ending; lines may go on with other words."""
    found: dict[str, str] = {}
    for line, split in split_of(find_lists(bases, oddities), oddities).items():
        first = line.split()[0]
        names = (line, first, str(Path(first).with_suffix("")), Path(first).stem)
        stem = next((name for name in names if name in stems), None)
        if stem is None:
            oddities.append(Oddity(line, "listed image is not there", Treatment.SKIPPED))
        else:
            found[stem] = split
    return found


def _things(path: Path, name: str, oddities: list[Oddity]) -> list[Thing] | None:
    """The objects of one xml file; null where it cannot be read."""
    text = read_text(path, name, oddities)
    if text is None:
        return None
    try:
        things = [_thing(node) for node in parse_xml(text).iter("object")]
    except ValueError as error:
        oddities.append(Oddity(name, "malformed xml", Treatment.UNLABELLED, str(error)))
        return None
    if not things:
        oddities.append(Oddity(name, "label file without an object", Treatment.UNLABELLED))
    return things


def _thing(node: ElementTree.Element) -> Thing:
    """An object; pixels are counted from 1, and xmax and ymax are the last ones inside.

    Raises:
        ValueError: it has no class, or a side that is no number.
    """
    name = " ".join((node.findtext("name") or "").split())
    if not name:
        raise ValueError("an object has no name")
    box = node.find("bndbox")
    if box is None:
        return Thing(name)
    left, top, right, bottom = (float(box.findtext(side) or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
    if left > right or top > bottom:  # which is mended later; what is first then is last
        return Thing(name, (left, top, right - 1, bottom - 1))
    flat = left == right or top == bottom
    return Thing(name, (left, top, right, bottom) if flat else (max(left - 1, 0), max(top - 1, 0), right, bottom))
