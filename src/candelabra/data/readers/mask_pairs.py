"""Which mask belongs to which image."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from candelabra.data.decoding.file_finder import Finder
from candelabra.data.decoding.images import find_images
from candelabra.data.issues import Oddity, Treatment
from candelabra.data.readers.folder import split_called
from candelabra.data.readers.split_lists import find_lists, split_of
from candelabra.data.samples import SPLITS
from candelabra.errors import CandelabraError

Pair = tuple[str, Path, Path | None]  # split, image, mask
Folders = tuple[str, Path, Path]
LAYOUTS = (
    ("{split}", "{split}annot"),
    ("images/{split}", "masks/{split}"),
    ("{split}/images", "{split}/masks"),
    ("{split}", "{split}_labels"),
)
ENDS = ("_mask", "_L", "_label", "_labels")  # of the name of a mask, after that of its image


def find_pairs(root: Path, images: str, masks: str, oddities: list[Oddity]) -> list[Pair]:
    """Images and masks of lists, or of folders.

    Args:
        root: the folder.
        images: the folder of images that is not divided into splits, below root.
        masks: likewise.
        oddities: grows by what is odd.

    Raises:
        CandelabraError: there are no such folders, or no image has a mask.
    """
    lists = mask_lists(root, oddities)
    if lists:
        return _listed(root, lists, oddities)
    return [pair for folder in mask_folders(root, images, masks) for pair in _parallel(root, *folder, oddities)]


def mask_lists(root: Path, oddities: list[Oddity]) -> Mapping[str, list[str]]:
    """Lists of two files a line, an image and its mask; none where lists hold anything else."""
    lists = find_lists([root], oddities)
    lines = [line for each in lists.values() for line in each]
    return lists if lines and all(len(line.split()) == 2 for line in lines) else {}


def mask_folders(root: Path, images: str, masks: str) -> list[Folders]:
    """Folders of images and of masks, by split.

    Raises:
        CandelabraError: there are none.
    """
    for image, mask in LAYOUTS:
        found = [(split, root / image.format(split=split), root / mask.format(split=split)) for split in SPLITS]
        there = [each for each in found if each[1].is_dir() and each[2].is_dir()]
        if there:
            return there
    flat = ("", root / images, root / masks)
    if not (flat[1].is_dir() and flat[2].is_dir()):
        raise CandelabraError(
            f"data.root={root} has no folders of images and masks; expected train and trainannot, images/train and "
            "masks/train, images and masks (other names: data.images=..., data.masks=...), or lists train.txt, ... "
            "of an image and a mask a line."
        )
    return [flat]


def _listed(root: Path, lists: Mapping[str, Sequence[str]], oddities: list[Oddity]) -> list[Pair]:
    finder = Finder(root, find_images(root))
    pairs: list[Pair] = []
    for line, split in split_of(lists, oddities).items():
        image, mask = (finder.find(word) for word in line.split())
        if image is None or mask is None:
            what = "listed image is not there" if image is None else "listed mask is not there"
            oddities.append(Oddity(line.split()[image is not None], what, Treatment.SKIPPED))
        else:
            pairs.append((split, root / image, root / mask))
    return sorted(pairs, key=lambda pair: (SPLITS.index(pair[0]), pair[1]))


def _parallel(root: Path, split: str, images: Path, masks: Path, oddities: list[Oddity]) -> list[Pair]:
    by_path = {mask.relative_to(masks).with_suffix(""): mask for mask in find_images(masks)}
    found = list(find_images(images))
    alone, once = (Counter(path.name for path in paths) for paths in (by_path, (f.with_suffix("") for f in found)))
    by_stem = {path.name: path for path in by_path if alone[path.name] == 1}  # masks may lie in other folders
    pairs: list[Pair] = []
    for image in found:
        own = image.relative_to(images).with_suffix("")
        stems = [own.name + end for end in ("", *ENDS)]
        ways = [own.with_name(stem) for stem in stems]
        ways += [by_stem[stem] for stem in stems if stem in by_stem and once[own.name] == 1]
        stem = next((way for way in ways if way in by_path), None)
        told = split_called(image.relative_to(images).parts[0])
        pairs.append((split or told, image, by_path.pop(stem) if stem else None))
        if not stem:
            name = str(image.relative_to(root))
            oddities.append(Oddity(name, "image without a mask", Treatment.UNLABELLED))
    for mask in by_path.values():
        oddities.append(Oddity(str(mask.relative_to(root)), "mask without an image", Treatment.SKIPPED))
    if pairs and not any(mask for _, _, mask in pairs):
        raise CandelabraError(f"{pairs[0][1]} has no mask of its name in {masks}, nor has another; add them.")
    return pairs
