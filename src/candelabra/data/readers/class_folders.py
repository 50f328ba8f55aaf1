"""Which folders below a root are classes, which are splits, and which are neither."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name

_STRAY = {"__macosx", "@eadir", "$recycle.bin", "lost+found", "system volume information", "__pycache__"}
# Words that stand beside that of a split in the name of a folder: seg_train, test_set, images-val.
_BESIDE = {"seg", "set", "data", "dataset", "image", "images", "img", "imgs", "photos", "pics", "crops", "folder"}
_UNREAD = {".cr2", ".nef", ".arw", ".dng", ".raw", ".svg", ".psd", ".eps", ".dcm", ".npy", ".npz", ".mat", ".exr"}
_UNREAD |= {".tga", ".ico", ".jxl", ".jxr", ".pcx", ".xcf", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".hdr"}


class ClassFolders(NamedTuple):
    """The folders of images below a root.

    Args:
        children: the folders in it that hold images, at any depth.
        splits: those whose folders are classes, with the split that each is; empty where the children are classes.
        others: folders beside the splits, which are not read.
        empty: folders without any image.
    """

    children: list[Path]
    splits: dict[Path, str]
    others: list[Path]
    empty: list[Path]


def find_class_folders(root: Path) -> ClassFolders:
    """The classes are in splits where all folders are called like splits, or two of them are that hold folders alone.

    A folder beside such splits is not read: `train` and `test` are no classes because a stray folder lies beside them.
    """
    folders = list_folders(root)
    children = [child for child in folders if _holds_image(child)]
    empty = [child for child in folders if child not in children]
    called = {child: split for child in children if (split := recognize_split(child.name))}
    hold_folders = {child: split for child, split in called.items() if _holds_folders_alone(child)}
    all_splits = bool(called) and len(called) == len(children)
    if not all_splits and not ("train" in hold_folders.values() and len(set(hold_folders.values())) > 1):
        return ClassFolders(children, {}, [], empty)
    chosen = called if all_splits else hold_folders
    others = [child for child in children if child not in chosen]
    return ClassFolders(children, {_descend(child, split): split for child, split in chosen.items()}, others, empty)


def list_folders(root: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones and those that systems and archives leave."""
    return [child for child in sorted(root.iterdir()) if child.is_dir() and not is_stray_folder(child.name)]


def is_stray_folder(name: str) -> bool:
    """Whether a folder is hidden, or is one that systems and archives leave."""
    return name.startswith(".") or name.lower() in _STRAY


def recognize_split(name: str) -> str:
    """The split that a folder of class folders is called after; "" for none.

    >>> recognize_split("val2017"), recognize_split("seg_train"), recognize_split("train_station")
    ('val', 'train', '')
    """
    words = [word for word in re.split(r"[\W_\d]+", name.lower()) if word]
    told = [word for word in words if word in SPLIT_ALIASES]
    beside = all(word in SPLIT_ALIASES or word in _BESIDE for word in words)
    return parse_split_name(name) or (SPLIT_ALIASES[told[0]] if len(told) == 1 and beside else "")


def describe_left_out(root: Path, tree: ClassFolders, classes: list[str]) -> list[DataIssue]:
    """What is listed for folders and kinds of files that are not read, and for classes called like splits."""
    issues = [
        DataIssue(str(other.relative_to(root)), "folder beside splits is not read", IssueTreatment.SKIPPED)
        for other in tree.others
    ]
    for folder in (*tree.empty, *tree.children):
        counts = _count_unread(folder, every=folder in tree.empty)
        if counts:
            detail = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in counts.most_common(8))
            name = str(folder.relative_to(root))
            issues.append(DataIssue(name, "files of kinds that are not read", IssueTreatment.SKIPPED, detail))
    if not tree.splits:
        issues += _describe_same_folders(tree.children)
    named = [] if tree.splits else [name for name in classes if recognize_split(name)]
    if named:
        what = "class folders that are named like splits"
        issues.append(DataIssue(named[0], what, IssueTreatment.USED, f"{', '.join(named)}, beside other folders"))
    return issues


def find_inner_splits(children: Sequence[Path]) -> bool:
    """Whether folders of classes hold folders of splits, and nothing else: cat/train, cat/test."""
    inner = {child: list_folders(child) for child in children}
    splits = {recognize_split(below.name) for folders in inner.values() for below in folders}
    return bool(inner) and all(map(_holds_folders_alone, inner)) and "" not in splits and len(splits) > 1


def _describe_same_folders(children: Sequence[Path]) -> list[DataIssue]:
    """An issue where all folders of classes hold the same folders, so that those may be the classes."""
    inner = [{below.name for below in list_folders(child)} for child in children]
    if len(inner) < 2 or len(inner[0]) < 2 or any(names != inner[0] for names in inner) or find_inner_splits(children):
        return []
    detail = f"{', '.join(child.name for child in children[:4])} each hold {', '.join(sorted(inner[0])[:4])}"
    what = "folders of classes hold the same folders, which are not read as classes"
    return [DataIssue(children[0].name, what, IssueTreatment.USED, detail)]


def _holds_image(folder: Path) -> bool:
    walk = os.walk(folder)
    return any(not name.startswith(".") and _ending(name) in IMAGE_SUFFIXES for _, _, files in walk for name in files)


def _holds_folders_alone(folder: Path) -> bool:
    """Whether images lie in folders below a folder, and none in itself."""
    own = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return not any(_ending(path.name) in IMAGE_SUFFIXES for path in own)


def _descend(folder: Path, split: str) -> Path:
    """The folder of classes where archives have put a split into a folder of its own: seg_train/seg_train."""
    inner = list_folders(folder)
    return inner[0] if len(inner) == 1 and recognize_split(inner[0].name) == split else folder


def _count_unread(folder: Path, every: bool) -> Counter[str]:
    """How many files of each ending are not read: of all endings, or of those of pictures and films."""
    names = (name for _, _, files in os.walk(folder) for name in files if not name.startswith("."))
    endings = Counter(map(_ending, names))
    return Counter({ending: count for ending, count in endings.items() if every or ending in _UNREAD})


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - names of many files
