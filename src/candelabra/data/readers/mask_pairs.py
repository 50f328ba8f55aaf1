"""Finds the mask of each image."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.stated_paths import drop_suffix, fold_name
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.split_lists import LIST_FOLDERS, find_split_lists, split_from_list_name
from candelabra.data.samples import SPLITS
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name
from candelabra.errors import CandelabraError

MaskPair = tuple[str, Path, Path | None]  # split, image, mask
MaskFolders = tuple[str, Path, Path]
_DEFAULTS = ("images", "masks")  # of the options data.images and data.masks
_IMAGE_FOLDERS = ("image", "images", "img", "imgs", "input", "inputs")
_MASK_FOLDERS = (
    *("mask", "masks", "label", "labels", "gt", "groundtruth", "ground truth"),
    *("annotation", "annotations", "target", "targets", "segmentation", "segmentations"),
)
_LABEL_SUFFIXES = (".json", ".xml")  # of formats whose folders hold pictures too
_LAYOUTS = (
    ("{split}", "{split}annot"),
    ("images/{split}", "masks/{split}"),
    ("{split}/images", "{split}/masks"),
    ("{split}", "{split}_labels"),
)
_ENDS = (
    "_mask",
    "_L",
    "_label",
    "_labels",
    "_seg",
    "_segmentation",
    "_gt",
    "_GT",
    "-mask",
    "-gt",
    "_groundtruth",
    "_ground_truth",
    "_annotation",
    "_target",
)  # of the name of a mask, after that of its image
_START = re.compile(r"(images?|imgs?|frames?|masks?|labels?|segs?|gts?)[ _-]?", re.IGNORECASE)


def find_mask_pairs(root: Path, images: str, masks: str, issues: list[DataIssue]) -> list[MaskPair]:
    """Images and masks of lists, or of folders.

    Args:
        root: the folder.
        images: the folder of images that is not divided into splits, below root.
        masks: likewise.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: there are no such folders, or no image has a mask.
    """
    lists = find_mask_lists(root, issues)
    if lists:
        return _listed(root, lists, issues)
    pairs = [pair for folder in find_mask_folders(root, images, masks) for pair in _parallel(root, *folder, issues)]
    return pairs if any(split for split, _, _ in pairs) else _divide(root, pairs, issues)


def _divide(root: Path, pairs: list[MaskPair], issues: list[DataIssue]) -> list[MaskPair]:
    """Pairs by lists of a name a line, as VOC has them; images that no list names are left out, as there."""
    lists = find_split_lists([root], [], ("ImageSets/Segmentation", *LIST_FOLDERS))
    by_name = _index_by_names(root, pairs)
    splits: dict[Path, str] = {}
    missing: list[str] = []
    for line, split in split_from_list_name(lists, issues).items():
        word = line.split()[0]
        pair = by_name.get(line) or by_name.get(word) or by_name.get(drop_suffix(word))
        if pair is None:
            missing.append(line)
        else:
            splits.setdefault(pair[1], split)
    if not splits:  # other text files
        return pairs
    issues += [DataIssue(line, "listed image is not there", IssueTreatment.SKIPPED) for line in missing]
    out = [pair for pair in pairs if pair[1] not in splits]
    names = {str(path.relative_to(root)) for _, path, _ in out}
    issues[:] = [each for each in issues if each.name not in names]  # none of them needs a mask
    if any(mask for _, _, mask in out):
        some = f"{len(out)} of {len(pairs)}; the lists are {', '.join(f'{split}.txt' for split in lists)}"
        issues.append(DataIssue(str(out[0][1].relative_to(root)), "image in no list", IssueTreatment.SKIPPED, some))
    return [(splits[image], image, mask) for _, image, mask in pairs if image in splits]


def _index_by_names(root: Path, pairs: Sequence[MaskPair]) -> dict[str, MaskPair]:
    """Pairs by each end of the path of their image, also without its ending; what several images have is no name."""
    named: dict[str, MaskPair] = {}
    counts: Counter[str] = Counter()
    for pair in pairs:
        parts = pair[1].relative_to(root).parts
        for end in {str(Path(*parts[start:])) for start in range(len(parts))}:
            for name in (end, drop_suffix(end)):
                named[name] = pair
                counts[name] += 1
    return {name: pair for name, pair in named.items() if counts[name] == 1}


def find_mask_lists(root: Path, issues: list[DataIssue]) -> Mapping[str, list[str]]:
    """Lists of two files a line, an image and its mask; none where lists hold anything else."""
    lists = find_split_lists([root], issues)
    lines = [line for each in lists.values() for line in each]
    return lists if lines and all(len(line.split()) == 2 for line in lines) else {}


def find_mask_folders(root: Path, images: str, masks: str) -> list[MaskFolders]:
    """Folders of images and of masks, by split.

    Raises:
        CandelabraError: there are none.
    """
    for image, mask in _LAYOUTS:
        found = [
            (split, root / image.format(split=word), root / mask.format(split=word))
            for spelling, split in SPLIT_ALIASES.items()
            for word in (spelling, spelling.capitalize())
        ]
        there = [each for each in found if each[1].is_dir() and each[2].is_dir()]
        if there:
            return there
    folders = {path: split for path in sorted(root.glob("*/")) if (split := parse_split_name(path.name))}
    mixed = [(split, path, path) for path, split in folders.items() if any(path.glob("*_mask.*"))]
    if mixed and not (root / images).is_dir():
        return sorted(mixed, key=lambda each: SPLITS.index(each[0]))
    flat = ("", root / images, root / masks)
    if flat[1].is_dir() and flat[2].is_dir():
        return [flat]
    named = _find_named_folders(root) if (images, masks) == _DEFAULTS else []
    if not named:
        raise CandelabraError(
            f"data.root={root} has no folders of images and masks; expected train and trainannot, images/train and "
            "masks/train, images and masks, or Training_Images and Ground_Truth (other names: data.images=..., "
            "data.masks=...), or lists train.txt, ... of an image and a mask a line."
        )
    return named


def _find_named_folders(root: Path) -> list[MaskFolders]:
    """Folders whose names say that they hold images or masks, such as Training_Images and Ground_Truth, by split.

    They lie below root, or in its folders of splits; none where it is not clear which belong together.
    """
    inner = {split: path for path in sorted(root.glob("*/")) if (split := parse_split_name(path.name))}
    nested = {split: pair for split, path in inner.items() for pair in _pair_folders(path).values()}
    found = nested or _pair_folders(root)
    return [(split, *found[split]) for split in ("", *SPLITS) if split in found]


def _pair_folders(parent: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of images and of masks by the split that begins their names; by "" where there is one of each."""
    images: list[tuple[str, Path]] = []
    masks: list[tuple[str, Path]] = []
    for path in sorted(parent.glob("*/")):
        words = " ".join(re.split(r"[\W_]+", path.name.lower()))
        first, _, rest = words.partition(" ")
        split = parse_split_name(first) if rest else ""
        word = rest if split else words
        if word in _IMAGE_FOLDERS and _holds_images(path):
            images.append((split, path))
        elif word in _MASK_FOLDERS and _holds_images(path):
            masks.append((split, path))
    if len(images) == len(masks) == 1:
        return {"": (images[0][1], masks[0][1])}
    splits = [split for split, _ in images]
    if sorted(splits) != sorted({split for split, _ in masks}) or len(masks) > len(images):
        return {}
    return {split: (path, dict(masks)[split]) for split, path in images}


def _holds_images(folder: Path) -> bool:
    """Whether a folder holds images, and not labels of a format whose folders hold pictures too."""
    labels = any(path.suffix.lower() in _LABEL_SUFFIXES for path in folder.iterdir())
    return not labels and next(find_images(folder), None) is not None


def _listed(root: Path, lists: Mapping[str, Sequence[str]], issues: list[DataIssue]) -> list[MaskPair]:
    finder = FileFinder(root, find_images(root))
    pairs: list[MaskPair] = []
    for line, split in split_from_list_name(lists, issues).items():
        words = line.split()
        image = finder.find_listed(words[0], issues)
        mask = finder.find_listed(words[1], issues, what="mask") if image else None
        if image and mask:
            pairs.append((split, root / image, root / mask))
    return sorted(pairs, key=lambda pair: (SPLITS.index(pair[0]), pair[1]))


def _find_start(paths: Sequence[Path]) -> str:
    """The word that all names of images or masks begin with, such as img_ or mask_; "" for none.

    >>> _find_start([Path("mask_1.png"), Path("mask_12.png")]), _find_start([Path("mask_1.png"), Path("1.png")])
    ('mask_', '')
    """
    match = _START.match(paths[0].name) if paths else None
    alike = match and all(path.stem.startswith(match[0]) and path.stem != match[0] for path in paths)
    return match[0] if match and alike else ""


def _parallel(root: Path, split: str, images: Path, masks: Path, issues: list[DataIssue]) -> list[MaskPair]:
    found, drawn = list(find_images(images)), list(find_images(masks))
    if images == masks:  # such as 1.jpg and 1_mask.png, as Roboflow has them
        drawn = [path for path in found if path.stem.endswith(_ENDS)]
        found = [path for path in found if not path.stem.endswith(_ENDS)]
    start, image_start = _find_start(drawn), _find_start(found)
    names = {fold_name(path.stem) for path in found}
    by_path: dict[Path, Path] = {}
    for mask in drawn:
        path = mask.relative_to(masks).with_suffix("")
        rest = path.name.removeprefix(start)
        other = rest if rest.startswith(image_start) else image_start + rest
        by_path[path if fold_name(path.name) in names else path.with_name(other)] = mask
    alone, once = (Counter(path.name for path in paths) for paths in (by_path, (f.with_suffix("") for f in found)))
    by_stem = {path.name: path for path in by_path if alone[path.name] == 1}  # masks may lie in other folders
    folded: dict[str, list[Path]] = {}
    for path in by_path:
        folded.setdefault(fold_name(str(path)), []).append(path)
    alike = Counter(fold_name(str(path.relative_to(images).with_suffix(""))) for path in found)
    pairs: list[MaskPair] = []
    for image in found:
        own = image.relative_to(images).with_suffix("")
        stems = [own.name + end for end in ("", *_ENDS)] + [image.name]
        ways = [own.with_name(stem) for stem in stems]
        ways += [by_stem[stem] for stem in stems if stem in by_stem and once[own.name] == 1]
        if alike[fold_name(str(own))] == 1:  # names that differ in letter case alone
            close = (folded.get(fold_name(str(own.with_name(stem))), []) for stem in stems)
            ways += [paths[0] for paths in close if len(paths) == 1]
        stem = next((way for way in ways if way in by_path), None)
        told = parse_split_name(image.relative_to(images).parts[0])
        pairs.append((split or told, image, by_path.pop(stem) if stem else None))
        if not stem:
            name = str(image.relative_to(root))
            issues.append(DataIssue(name, "image without a mask", IssueTreatment.UNLABELLED))
    for mask in by_path.values():
        issues.append(DataIssue(str(mask.relative_to(root)), "mask without an image", IssueTreatment.SKIPPED))
    if pairs and not any(mask for _, _, mask in pairs):
        raise CandelabraError(f"{pairs[0][1]} has no mask of its name in {masks}, nor has another; add them.")
    return pairs
