"""Pascal VOC's xml files (Everingham et al. 2010), beside images or in a folder of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.decoding.file_finder import FileFinder, find_label_files
from candelabra.data.decoding.label_pairs import find_images_by_stem, pair_by_stem
from candelabra.data.decoding.stated_paths import drop_suffix, fold_name
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.foreign_exports import recognize_export
from candelabra.data.readers.label_frames import fit_labels_to_files
from candelabra.data.readers.object_annotations import AnnotatedImage, build_object_samples
from candelabra.data.readers.reader import FormatMatch, Reader
from candelabra.data.readers.split_lists import find_split_lists, split_from_list_name
from candelabra.data.readers.voc_xml import VocFile, is_voc_xml, read_voc_file, scale_voc_boxes
from candelabra.data.samples import Samples
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name
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
        scale_voc_boxes(root, pictures, issues)
        fit_labels_to_files(root, pictures, issues)
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
            export = recognize_export(root)
            raise CandelabraError(
                f"data.root={self.root} has no folders of images and of xml files; expected "
                f"{', '.join(_IMAGES[:3])} and {', '.join(_ANNOTATIONS[:4])}, or both in one folder "
                f"(other names: data.images=... data.annotations=...).{f' {export}.' if export else ''}"
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
    own = _inside(base)
    if own and own[0] != own[1]:
        return [("", *own)]
    splits = [
        (SPLIT_ALIASES[path.name.lower()], path)
        for path in sorted(base.glob("*/"))
        if path.name.lower() in SPLIT_ALIASES
    ]
    divided = [(split, *inner) for split, path in splits if (inner := _inside(path))]
    return divided or ([("", *own)] if own else [])


def _inside(base: Path) -> tuple[Path, Path] | None:
    """The folders of images and of xml files in a folder, which may be the folder itself."""
    images = [base / name for name in _IMAGES if (base / name).is_dir()]
    labels = [base / name for name in _ANNOTATIONS if _has_xml(base / name)]
    if images and labels:
        return images[0], labels[0]
    return (base, base) if _has_xml(base) else None


def _has_xml(folder: Path) -> bool:
    """Whether a folder, or one of a split in it, holds xml files that are not of another format."""
    if not folder.is_dir():
        return False
    below = [path for path in sorted(folder.glob("*/")) if parse_split_name(path.name)]
    return any(
        path.suffix.lower() == ".xml" and not path.name.startswith(".") and path.is_file() and is_voc_xml(path)
        for place in (folder, *(below if folder.name in _ANNOTATIONS else ()))
        for path in place.iterdir()
    )


def _pictures(root: Path, split: str, images: Path, annotations: Path, issues: list[DataIssue]) -> list[AnnotatedImage]:
    files = find_images_by_stem(root, images, issues)
    found = {
        str(path.relative_to(annotations).with_suffix("")): path
        for path in find_label_files(annotations, ".xml", root)
        if is_voc_xml(path)
    }
    labels = _belonging(root, images, files, found, issues)
    splits = {} if split else _listed([images.parent, annotations.parent, annotations], set(files), issues)
    if not splits and not split:
        splits = _divided(files)
    pictures = []
    for stem, image in files.items():
        if splits and stem not in splits:
            continue
        name = str(image.relative_to(root))
        said = labels.get(stem, VocFile())
        if stem not in labels:
            issues.append(DataIssue(name, "image without a label file", IssueTreatment.UNLABELLED))
        pictures.append(AnnotatedImage(name, splits.get(stem, split), said.things, said.stated))
    return pictures


def _belonging(
    root: Path, images: Path, files: Mapping[str, Path], found: Mapping[str, Path], issues: list[DataIssue]
) -> dict[str, VocFile]:
    """What xml files say, by the stem of the image that they belong to: by their name, else by <filename>."""
    pairs = pair_by_stem(files, found)
    stems = {str(path.relative_to(root)): stem for stem, path in files.items()}
    finder = FileFinder(root, files.values())
    near = str(images.relative_to(root))
    labels: dict[str, VocFile] = {}
    for label in sorted(found, key=lambda each: each not in pairs):
        stem = pairs.get(label)
        own = str((files[stem] if stem else found[label]).relative_to(root))
        said = read_voc_file(found[label], own, issues)
        meant = stems.get(finder.find(said.filename, near) or "") if said.filename else None
        if stem is None and (meant is None or meant in labels):
            detail = "" if meant is None else f"{files[meant].name} has another one"
            issues.append(DataIssue(own, "label file without an image", IssueTreatment.SKIPPED, detail))
            continue
        if meant is not None and meant != stem:
            what = "xml file of another name than its image, which <filename> gives"
            if stem is not None:
                what = "<filename> names another image than the name of the xml file, which is gone by"
            issues.append(DataIssue(own, what, IssueTreatment.USED, said.filename))
        labels[stem or meant or ""] = said
    return labels


def _divided(files: Mapping[str, Path]) -> dict[str, str]:
    """The split of each image, where all are in folders of splits."""
    found = {stem: parse_split_name(Path(stem).parts[0]) if len(Path(stem).parts) > 1 else "" for stem in files}
    return found if all(found.values()) else {}


def _listed(bases: Sequence[Path], stems: set[str], issues: list[DataIssue]) -> dict[str, str]:
    """The split of each image that is in a list, by its name without ending; lines may go on with other words."""
    folded = {fold_name(stem): stem for stem in stems}
    found: dict[str, list[str]] = {}
    for split, lines in find_split_lists(bases, issues).items():
        for line in lines:
            first = line.split()[0]
            names = (line, first, drop_suffix(line), drop_suffix(first), Path(first).stem)
            stem = next((name for name in names if name in stems), None)
            stem = stem or next((folded[fold_name(name)] for name in names if fold_name(name) in folded), None)
            if stem is None:
                issues.append(DataIssue(line, "listed image is not there", IssueTreatment.SKIPPED))
            else:
                found.setdefault(split, []).append(stem)
    return split_from_list_name(found, issues)
