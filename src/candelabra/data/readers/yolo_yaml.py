"""Reads the yaml of a YOLO data set and finds its images and labels on this disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from candelabra.data.decoding.file_finder import FileFinder, find_label_files
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.label_pairs import find_images_by_stem, pair_by_stem
from candelabra.data.decoding.stated_paths import fold_name
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.yolo_yaml_values import (
    is_yolo_description,
    load_yolo_yaml,
    name_points,
    read_point_shape,
    read_yolo_names,
)
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name
from candelabra.errors import CandelabraError, list_nearest

_LARGEST = 2**30  # bytes of a list of images
_NO_LABELS = ("classes.txt", "labels.txt", "train.txt", "val.txt", "test.txt")
YoloPair = tuple[str, Path, Path | None]  # split, image and its labels


@dataclass(frozen=True)
class YoloSet:
    """A data set of YOLO's.

    Args:
        names: of the classes by number; empty where nobody named them.
        pairs: images and the labels that they have, by split.
        points: names of the keypoints.
        mirror: for each point, the one that it becomes in a mirror image; null where nobody said.
        shape: (number of points, numbers a point); null for none.
    """

    names: Mapping[int, str]
    pairs: Sequence[YoloPair]
    points: Sequence[str]
    mirror: Sequence[int] | None
    shape: tuple[int, int] | None


def find_yolo_set(root: Path, file: str | None, issues: list[DataIssue]) -> YoloSet:
    """Reads the named yaml, else the only one below root, else the standard folder layout.

    Raises:
        CandelabraError: it is missing or malformed, there are several, or no image is where it says.
    """
    path = root / file if file else _only(root)
    said = load_yolo_yaml(path) if path else {}
    shape, mirror = read_point_shape(said, path)
    bases = _bases(root, path, said)
    places = [(SPLIT_ALIASES[key], place) for key in said if key in SPLIT_ALIASES for place in _several(said[key])]
    order = ("train", "val", "test", "")
    taken: dict[Path, str] = {}
    pairs: list[YoloPair] = []
    for split, place in sorted(places or _laid_out(root), key=lambda each: order.index(each[0])):
        for image, labels in _pairs(root, bases, place, issues).items():
            if taken.setdefault(image, split) == split:
                pairs.append((split, image, labels))
            else:
                detail = f"{split} and {taken[image]}; it is {taken[image]} alone"
                issues.append(DataIssue(str(image.relative_to(root)), "in two splits", IssueTreatment.REPAIRED, detail))
    if not pairs:
        tried = ", ".join(place for _, place in places) or "images"
        raise CandelabraError(
            f"data.root={root} has no image where {path or 'the usual layout'} says ({tried}); name another yaml with "
            "data.file=<file below root>, or put images in images/ and label files in labels/."
        )
    names = read_yolo_names(said, root, path, issues)
    return YoloSet(names, pairs, name_points(said, shape), mirror, shape)


def find_yolo_descriptions(root: Path) -> list[Path]:
    """The yaml files below a folder that describe a data set, else Darknet's `.data` files."""
    found = [path for path in sorted(root.rglob("*.y*ml")) if is_yolo_description(path)]
    return found or [path for path in sorted(root.rglob("*.data")) if path.is_file() and is_yolo_description(path)]


def _only(root: Path) -> Path | None:
    found = find_yolo_descriptions(root)
    if len(found) > 1:
        raise CandelabraError(
            f"data.root={root} holds {len(found)} descriptions of data sets; name one with data.file=: "
            f"{list_nearest('data.yaml', [str(path.relative_to(root)) for path in found])}."
        )
    return found[0] if found else None


def _several(place: Any) -> list[str]:
    return [str(each) for each in (place if isinstance(place, list) else [place]) if each]


def _bases(root: Path, path: Path | None, said: Mapping[str, Any]) -> list[Path]:
    """Folders that places may be meant from: what the yaml says, its own, the root."""
    own = path.parent if path else root
    stated = _tails(str(said.get("path") or ""))
    meant = [base.joinpath(*tail) for tail in stated for base in (own, root)]
    return [base for base in dict.fromkeys([*meant, own, root]) if base.is_dir()]


def _tails(place: str) -> list[tuple[str, ...]]:
    """The ends of a path, longest first, without what leads out of a folder."""
    parts = PurePosixPath(place.replace("\\", "/")).parts
    inside = tuple(part for part in parts if part not in ("..", ".", "/") and not part.endswith(":"))
    return [inside[start:] for start in range(len(inside))]


def _laid_out(root: Path) -> list[tuple[str, str]]:
    """Splits and folders of images where there is no yaml: images/<split>, <split>/images, or images."""
    for pattern in ("images/*/", "*/images/"):
        there = [path.relative_to(root) for path in sorted(root.glob(pattern)) if path.is_dir()]
        splits = [parse_split_name(next(part for part in path.parts if part != "images")) for path in there]
        if there and all(splits):
            return [(split, str(path)) for split, path in zip(splits, there, strict=True)]
    return [("", "images")] if (root / "images").is_dir() else [("", ".")]


def _pairs(root: Path, bases: Sequence[Path], place: str, issues: list[DataIssue]) -> dict[Path, Path | None]:
    """The images of a place, a folder or a list of files, with the labels that they have."""
    tails = _tails(place) or [()]
    found = next((base.joinpath(*tail) for tail in tails for base in bases if base.joinpath(*tail).exists()), None)
    if found is None:
        issues.append(DataIssue(place, "place of images that the yaml names is not there", IssueTreatment.SKIPPED))
        return {}
    if found.is_file():
        return _of_list(root, found, bases, issues)
    tail = next(tail for tail in tails for base in bases if base.joinpath(*tail).exists())
    candidates = [base.joinpath(*_labels(tail)) for base in bases]
    folder = next((each for each in candidates if each.is_dir()), found)
    texts = {
        str(path.relative_to(folder).with_suffix("")): path
        for path in find_label_files(folder, ".txt", root)
        if path.name not in _NO_LABELS
    }
    images = find_images_by_stem(root, found, issues)
    belonging = pair_by_stem(images, texts)
    for stem in sorted(set(texts) - set(belonging)):
        name = str(texts[stem].relative_to(root))
        issues.append(DataIssue(name, "label file without an image", IssueTreatment.SKIPPED))
    labels = {image: texts[stem] for stem, image in belonging.items()}
    return {path: labels.get(stem) for stem, path in images.items()}


def _of_list(root: Path, path: Path, bases: Sequence[Path], issues: list[DataIssue]) -> dict[Path, Path | None]:
    finder = FileFinder(root, find_images(root))
    texts = FileFinder(root, (text for text in find_label_files(root, ".txt", root) if text.name not in _NO_LABELS))
    pairs: dict[Path, Path | None] = {}
    for line in (read_annotation_text(path, path.name, issues, _LARGEST) or "").splitlines():
        name = finder.find_listed(line, issues, str(path.parent.relative_to(root))) if line.strip() else None
        if name is not None:
            labels = Path(*_labels(Path(name).parts)).with_suffix(".txt")
            found = next((base / labels for base in (root, *bases) if (base / labels).is_file()), None)
            other = texts.find(str(labels)) if found is None else None
            same = other is not None and [*map(fold_name, Path(other).parts)] == [*map(fold_name, labels.parts)]
            pairs[root / name] = root / str(other) if same else found
    return pairs


def _labels(parts: Sequence[str]) -> tuple[str, ...]:
    """The last `images` of a path, with `labels` in its place; without one, labels are beside images."""
    if "images" not in parts:
        return tuple(parts)
    last = len(parts) - 1 - list(reversed(parts)).index("images")
    return (*parts[:last], "labels", *parts[last + 1 :])
