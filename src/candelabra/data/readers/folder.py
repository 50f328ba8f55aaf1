"""Images in one folder per class."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candelabra.data.class_words import clean_class_name
from candelabra.data.decoding.images import IMAGE_SUFFIXES, find_images
from candelabra.data.decoding.paths import escape_path
from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.class_folders import (
    describe_left_out,
    find_class_folders,
    find_inner_splits,
    is_stray_folder,
    list_folders,
    recognize_split,
)
from candelabra.data.readers.class_names import list_case_variants, list_one_class_folders
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader
from candelabra.data.samples import SPLITS, Samples
from candelabra.data.targets.label import LabelColumn, LabelTarget
from candelabra.errors import CandelabraError

_LISTED = 12  # kinds of files that an error lists
_NO_CLASSES = ("image", "mask", "annot", "label")  # words that do not occur in names of classes


@dataclass(frozen=True, kw_only=True)
class Folder(Reader):
    """`root/<class>/*.jpg`, or `root/<train|val|test>/<class>/*.jpg`; the class is the name of the folder.

    Where classes hold folders of splits alone, `root/<class>/<train|val|test>/*.jpg`, those are the splits.

    Args:
        root: the folder.
    """

    tier = DetectionTier.FOLDERS

    root: str

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        tree = find_class_folders(root)
        if any(word in child.name.lower() for child in tree.children for word in _NO_CLASSES):
            return None
        inner = tree.children
        if tree.splits:
            inner = [below for base in tree.splits for below in list_folders(base)]
        found = [each for each in inner if any(path.suffix.lower() in IMAGE_SUFFIXES for path in each.iterdir())]
        if len(found) < 2:
            return None
        evidence = f"folders of images such as {found[0].relative_to(root)}"
        return FormatMatch("folder", evidence, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        tree = find_class_folders(root)
        inner = not tree.splits and find_inner_splits(tree.children)
        names, published, folders = [], [], []
        for base, split in tree.splits.items() or [(root, "")]:
            for path in find_images(base):
                name, parts = str(path.relative_to(root)), path.relative_to(base).parts
                if len(parts) < 2:
                    issues.append(DataIssue(name, "image in no folder of a class", IssueTreatment.SKIPPED))
                elif not is_stray_folder(parts[0]):
                    names.append(name)
                    published.append(recognize_split(parts[1]) if inner and len(parts) > 2 else split)
                    folders.append(escape_path(parts[0]))
        if not names:
            raise CandelabraError(
                f"data.root={self.root} holds no image in a folder of its class; expected {root}/<class>/<image>.jpg "
                f"or {root}/<{'|'.join(SPLITS)}>/<class>/<image>.jpg. It holds {list_entries(root)}."
            )
        classes = [clean_class_name(folder) or folder for folder in folders]
        known = sorted(set(classes))
        issues += describe_left_out(root, tree, known)
        list_one_class_folders(folders, classes, issues)
        list_case_variants(known, issues)
        label = np.array([known.index(name) for name in classes], np.int64)
        return FileSamples(
            root, names, np.array(published, dtype="<U5"), [LabelColumn(LabelTarget(tuple(known)), label)], issues
        )


def check_is_folder(root: str) -> Path:
    """Returns the folder `root` as a path.

    Raises:
        CandelabraError: there is no such folder.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise CandelabraError(f"data.root={root} is not a folder (looked at {path.absolute()}); give one that exists.")
    return path


def list_entries(root: Path) -> str:
    """The files of a folder in words: counts by folder and suffix."""
    counts: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            folder = path.parent.relative_to(root)
            place = "/".join(folder.parts[:2])
            counts[f"{path.suffix.lower() or 'no ending'} in {place or 'the folder itself'}"] += 1
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.most_common(_LISTED))
    return f"{listed}{', ...' if len(counts) > _LISTED else ''}" or "nothing"
