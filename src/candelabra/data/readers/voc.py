"""Pascal VOC's xml files (Everingham et al. 2010), beside images or in a folder of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.file_finder import find_label_files
from candelabra.data.decoding.images import find_images
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.object_annotations import AnnotatedImage, build_object_samples
from candelabra.data.readers.reader import FormatMatch, Reader
from candelabra.data.readers.split_lists import find_split_lists, split_from_list_name
from candelabra.data.readers.voc_xml import read_voc_objects
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.targets import KeypointsTarget
from candelabra.errors import CandelabraError

_IMAGES = ("JPEGImages", "images", "Images", "img", "imgs")
_ANNOTATIONS = ("Annotations", "annotations", "annots", "annotations/xmls", "xmls", "labels")


@dataclass(frozen=True, kw_only=True)
class Voc(Reader):
    """One xml file an image, with its name; label and box are those of one object, see `objects`.

    VOC counts pixels from 1. Lists of names (`ImageSets/Main/<split>.txt`, or `<split>.txt` beside the folders) are
    the published split, as are folders `train`, `valid` and `test` that hold images and xml files.

    Args:
        root: the folder, or one that holds it.
        images, annotations: the folders of images and xml files, below root; null looks for them.
        objects: which of several objects gives the labels: largest, first, or single (several: unlabelled).
        classes: names of the classes to use; null for all.
    """

    root: str
    images: str | None = None
    annotations: str | None = None
    objects: ObjectRule = "largest"
    classes: Sequence[str] | None = None

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        reader = cls(root=str(root))
        try:
            found = find_voc_folders(root)
        except CandelabraError:  # several of them
            return FormatMatch("voc", "several folders of xml files", reader)
        return FormatMatch("voc", f"xml files in {found[0][2].relative_to(root)}", reader) if found else None

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        pictures: list[AnnotatedImage] = []
        for split, images, annotations in self._folders(root):
            pictures += _pictures(root, split, images, annotations, issues)
        known = sorted({thing.name for picture in pictures for thing in picture.things or ()})
        return build_object_samples(root, pictures, self.objects, known, self.classes, KeypointsTarget(), issues)

    def _folders(self, root: Path) -> list[tuple[str, Path, Path]]:
        """Where images and xml files are, and which split that is."""
        if self.images is not None or self.annotations is not None:
            images, annotations = root / (self.images or ""), root / (self.annotations or self.images or "")
            for folder, argument in ((images, "images"), (annotations, "annotations")):
                if not folder.is_dir():
                    raise CandelabraError(f"data.{argument} is not a folder below data.root={self.root} ({folder}).")
            return [("", images, annotations)]
        found = find_voc_folders(root)
        if not found:
            raise CandelabraError(
                f"data.root={self.root} has no folders of images and of xml files; expected "
                f"{', '.join(_IMAGES[:3])} and {', '.join(_ANNOTATIONS[:4])}, or both in one folder "
                "(other names: data.images=... data.annotations=...)."
            )
        return found


def find_voc_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """Split, images and annotations of a data set in VOC's layout at root, or in the one folder below that has it."""
    for level in ([root], root.glob("*/"), root.glob("*/*/")):
        found = [pairs for base in sorted(level) if base.is_dir() and (pairs := _at(base))]
        if len(found) > 1:
            bases = ", ".join(str(pairs[0][1].relative_to(root)) for pairs in found)
            raise CandelabraError(f"data.root={root} holds several sets of xml files ({bases}); give one of them.")
        if found:
            return found[0]
    return []


def _at(base: Path) -> list[tuple[str, Path, Path]]:
    images = [base / name for name in _IMAGES if (base / name).is_dir()]
    labels = [base / name for name in _ANNOTATIONS if _has_xml(base / name)]
    if images and labels:
        return [("", images[0], labels[0])]
    splits = [
        (SPLIT_ALIASES[path.name.lower()], path)
        for path in sorted(base.glob("*/"))
        if path.name.lower() in SPLIT_ALIASES
    ]
    divided = [(split, path, path) for split, path in splits if _has_xml(path)]
    return divided or ([("", base, base)] if _has_xml(base) else [])


def _has_xml(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix.lower() == ".xml" for path in folder.iterdir())


def _pictures(root: Path, split: str, images: Path, annotations: Path, issues: list[DataIssue]) -> list[AnnotatedImage]:
    files = {str(path.relative_to(images).with_suffix("")): path for path in find_images(images)}
    labels = {}
    for path in find_label_files(annotations, ".xml", root):
        stem = str(path.relative_to(annotations).with_suffix(""))
        labels[stem] = path
        if stem not in files:
            name = str(path.relative_to(root))
            issues.append(DataIssue(name, "label file without an image", IssueTreatment.SKIPPED))
    splits = {} if split else _listed([images.parent, annotations.parent, annotations], set(files), issues)
    pictures = []
    for stem, image in files.items():
        if splits and stem not in splits:
            continue
        name = str(image.relative_to(root))
        things = read_voc_objects(labels[stem], name, issues) if stem in labels else None
        if stem not in labels:
            issues.append(DataIssue(name, "image without a label file", IssueTreatment.UNLABELLED))
        pictures.append(AnnotatedImage(name, splits.get(stem, split), things))
    return pictures


def _listed(bases: Sequence[Path], stems: set[str], issues: list[DataIssue]) -> dict[str, str]:
    """The split of each image that is in a list, by its name without ending; lines may go on with other words."""
    found: dict[str, list[str]] = {}
    for split, lines in find_split_lists(bases, issues).items():
        for line in lines:
            first = line.split()[0]
            names = (line, first, str(Path(first).with_suffix("")), Path(first).stem)
            stem = next((name for name in names if name in stems), None)
            if stem is None:
                issues.append(DataIssue(line, "listed image is not there", IssueTreatment.SKIPPED))
            else:
                found.setdefault(split, []).append(stem)
    return split_from_list_name(found, issues)
