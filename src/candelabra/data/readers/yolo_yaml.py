"""Reads the yaml of a YOLO data set and finds its images and labels on this disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from candelabra.data.decoding.file_finder import FileFinder, find_label_files
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name
from candelabra.errors import CandelabraError, list_nearest
from candelabra.storage.documents import check_yaml

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
    said = _load(path) if path else {}
    shape, mirror = _shape(said, path)
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
    return YoloSet(_names(said, root), pairs, _points(said, shape), mirror, shape)


def is_yolo_yaml(path: Path) -> bool:
    """Whether a yaml names classes and where a split's images are."""
    try:
        said = _load(path)
    except CandelabraError:
        return False
    return "names" in said and any(key in SPLIT_ALIASES for key in said)


def _only(root: Path) -> Path | None:
    found = [path for path in sorted(root.rglob("*.y*ml")) if is_yolo_yaml(path)]
    if len(found) > 1:
        raise CandelabraError(
            f"data.root={root} holds {len(found)} descriptions of data sets; name one with data.file=: "
            f"{list_nearest('data.yaml', [str(path.relative_to(root)) for path in found])}."
        )
    return found[0] if found else None


def _load(path: Path) -> Mapping[str, Any]:
    import yaml

    if not path.is_file():
        raise CandelabraError(f"data.file={path} is missing; name the yaml with data.file=<file below data.root>.")
    try:
        text = read_annotation_text(path, path.name, []) or ""
        check_yaml(text)
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CandelabraError(f"data.file={path} is no yaml ({' '.join(str(error).split())}).") from error
    return {str(key): value for key, value in said.items()} if isinstance(said, dict) else {}


def _names(said: Mapping[str, Any], root: Path) -> dict[int, str]:
    names = said.get("names") or {}
    if not names:
        listed = next((root / name for name in ("classes.txt", "labels/classes.txt") if (root / name).is_file()), None)
        names = (read_annotation_text(listed, listed.name, []) or "").split("\n") if listed else []
        names = [name.strip() for name in names if name.strip()]
    try:
        items = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in items}
    except (TypeError, ValueError) as error:
        raise CandelabraError(f"names={names} of the yaml should be a list, or names by number.") from error


def _shape(said: Mapping[str, Any], path: Path | None) -> tuple[tuple[int, int] | None, Sequence[int] | None]:
    """`kpt_shape` and `flip_idx`."""
    given, flips = said.get("kpt_shape"), said.get("flip_idx")
    if given is None:
        return None, None
    if not (isinstance(given, list) and len(given) == 2 and all(isinstance(n, int) for n in given)):
        raise CandelabraError(f"kpt_shape={given} of {path} should be [number of points, 2 or 3].")
    if given[0] < 1 or given[1] not in (2, 3):
        raise CandelabraError(f"kpt_shape={given} of {path} should be [number of points, 2 or 3].")
    if flips and not (isinstance(flips, list) and sorted(map(str, flips)) == sorted(map(str, range(given[0])))):
        raise CandelabraError(f"flip_idx={flips} of {path} should name each of the {given[0]} points once.")
    return (given[0], given[1]), flips or None


def _points(said: Mapping[str, Any], shape: tuple[int, int] | None) -> list[str]:
    """Names of the points: `kpt_names` where there are as many, else numbers."""
    if shape is None:
        return []
    names = said.get("kpt_names")
    names = next(iter(names.values()), None) if isinstance(names, dict) else names
    if isinstance(names, list) and len(names) == shape[0]:
        return [str(name) for name in names]
    return [str(number) for number in range(shape[0])]


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
    images: dict[str, Path] = {}
    for path in find_images(found):
        first = images.setdefault(str(path.relative_to(found).with_suffix("")), path)
        if first != path:
            name, detail = str(path.relative_to(root)), f"they are those of {first.name}"
            issues.append(DataIssue(name, "second image of the same labels", IssueTreatment.SKIPPED, detail))
    for stem in sorted(set(texts) - set(images)):
        name = str(texts[stem].relative_to(root))
        issues.append(DataIssue(name, "label file without an image", IssueTreatment.SKIPPED))
    return {path: texts.get(stem) for stem, path in images.items()}


def _of_list(root: Path, path: Path, bases: Sequence[Path], issues: list[DataIssue]) -> dict[Path, Path | None]:
    finder = FileFinder(root, find_images(root))
    pairs: dict[Path, Path | None] = {}
    for line in (read_annotation_text(path, path.name, issues, _LARGEST) or "").split("\n"):
        name = finder.find(line, str(path.parent.relative_to(root))) if line.strip() else None
        if name is not None:
            labels = Path(*_labels(Path(name).parts)).with_suffix(".txt")
            found = next((base / labels for base in (root, *bases) if (base / labels).is_file()), None)
            pairs[root / name] = found
        elif line.strip():
            issues.append(DataIssue(line.strip(), "listed image is not there", IssueTreatment.SKIPPED))
    return pairs


def _labels(parts: Sequence[str]) -> tuple[str, ...]:
    """The last `images` of a path, with `labels` in its place; without one, labels are beside images."""
    if "images" not in parts:
        return tuple(parts)
    last = len(parts) - 1 - list(reversed(parts)).index("images")
    return (*parts[:last], "labels", *parts[last + 1 :])
