"""Which format a folder looks like: each is told by files that no other has."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import IMAGE_SUFFIXES, find_images
from candelabra.data.readers import coco_json, deeplabcut, mask_pairs, voc, wflw, yolo_yaml
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_name
from candelabra.errors import CandelabraError

_NO_CLASSES = ("image", "mask", "annot", "label")  # words that folders of classes do not have
_LISTED = 12  # kinds of files that an error lists


class FormatMatch(NamedTuple):
    """A format that a folder may have.

    Args:
        name: of the format, as in data=<name>.
        why: what it is told by.
    """

    name: str
    why: str


def detect_formats(root: Path) -> list[FormatMatch]:
    """The formats that a folder looks like; several where they are equally plain, none where none fits.

    Sets with a layout of their own go before formats of labels, these before tables, and tables before folders.
    """
    for tier in DETECTOR_TIERS:
        found = [FormatMatch(name, why) for name, see in tier.items() if (why := see(root))]
        if found:
            return found
    return []


def list_entries(root: Path) -> str:
    """What a folder holds, in words: files by folder and ending."""
    counts: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            folder = path.parent.relative_to(root)
            place = "/".join(folder.parts[:2])
            counts[f"{path.suffix.lower() or 'no ending'} in {place or 'the folder itself'}"] += 1
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.most_common(_LISTED))
    return f"{listed}{', ...' if len(counts) > _LISTED else ''}" or "nothing"


class TableOptions(NamedTuple):
    """How `data=table` is to read what was found: see `Table`."""

    file: str | dict[str, str]
    images: str | dict[str, str]
    points: int | None


def find_label_table(root: Path) -> TableOptions | None:
    """The one CSV or Parquet file below root whose first row names an image there, or one for each split.

    Columns that are numbers alone are taken as the x and y of points.
    """
    files = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in (".csv", ".parquet")]
    finder = FileFinder(root, find_images(root)) if files else None
    found: list[tuple[str, str, list[str]]] = []
    for path in files:
        stated, columns = _first_row(path)
        name = _of_table(finder, stated, path.relative_to(root)) if finder and stated else None
        if name and set(columns[1:]) - {"split"}:
            found.append((str(path.relative_to(root)), name[: -len(stated)].rstrip("/"), columns))
    if not found:
        return None
    numbers = [column for column in found[0][2] if column.isdigit()]
    points = len(numbers) // 2 if numbers and len(numbers) == len(found[0][2]) - 1 else None
    if len(found) == 1:
        return TableOptions(found[0][0], found[0][1], points)
    splits = [coco_json.split_in_name(file) for file, _, _ in found]
    if "" in splits or len(set(splits)) < len(splits):
        return None
    by_split = dict(zip(splits, found, strict=True))
    return TableOptions(
        {split: file for split, (file, _, _) in by_split.items()},
        {split: images for split, (_, images, _) in by_split.items()},
        points,
    )


def _of_table(finder: FileFinder, stated: str, file: Path) -> str | None:
    """The image that a table names: of several of its name, the one in a folder of the split that the table tells."""
    split = coco_json.split_in_name(str(file))
    folders = [file.parent, *sorted({file.parent / name for name in SPLIT_ALIASES if SPLIT_ALIASES[name] == split})]
    names = (finder.find(stated, str(folder)) for folder in folders)
    return next((name for name in names if name and name.endswith(stated)), None)


def _first_row(path: Path) -> tuple[str, list[str]]:
    """The image that the first row of a table names, "" for none, and the columns."""
    import pandas

    try:
        if path.suffix.lower() == ".parquet":
            table = pandas.read_parquet(path)
        else:
            table = pandas.read_csv(path, nrows=1, encoding="latin-1", index_col=False)
    except (ValueError, OSError):
        return "", []
    if not len(table) or len(table.columns) < 2:
        return "", []
    columns = [str(column) for column in table.columns]
    return str(table["image" if "image" in columns else table.columns[0]].iloc[0]), columns


def _has(*names: str) -> Callable[[Path], str]:
    """Tells by files or folders that are there, any of them."""
    return lambda root: next((name for name in names if (root / name).exists()), "")


def _imagenet(root: Path) -> str:
    there = (root / "meta.bin").is_file() and (root / "train").is_dir() and (root / "val").is_dir()
    return "meta.bin, train and val" if there else _has("ILSVRC2012_devkit_t12.tar.gz")(root)


def _first(paths: Sequence[Path], root: Path) -> str:
    return str(paths[0].relative_to(root)) if paths else ""


def _pts(root: Path) -> str:
    return _first(sorted(path for path in root.rglob("*.pts")), root)


def _coco(root: Path) -> str:
    return _first([path for path in sorted(root.rglob("*.json")) if coco_json.looks_like_coco(path)], root)


def _yolo(root: Path) -> str:
    told = _first([path for path in sorted(root.rglob("*.y*ml")) if yolo_yaml.is_yolo_yaml(path)], root)
    labels = [*sorted(root.glob("labels/**/*.txt")), *sorted(root.glob("*/labels/*.txt"))]
    return told or (_first(labels, root) if _has("images")(root) or list(root.glob("*/images")) else "")


def _voc(root: Path) -> str:
    try:
        found = voc.find_voc_folders(root)
    except CandelabraError:  # several of them
        return "several folders of xml files"
    return f"xml files in {found[0][2].relative_to(root)}" if found else ""


def _masks(root: Path) -> str:
    if all((root / name).is_file() for name in ("table.csv", "labels.json")):
        return ""  # `candelabra convert` wrote it: masks beside a table
    if mask_pairs.find_mask_lists(root, []):
        return "lists of images and masks"
    try:
        _, images, masks = mask_pairs.find_mask_folders(root, "images", "masks")[0]
    except CandelabraError:
        return ""
    return f"{images.relative_to(root)} and {masks.relative_to(root)}"


def _table(root: Path) -> str:
    found = find_label_table(root)
    return str(found.file) if found else ""


def _folder(root: Path) -> str:
    children = [child for child in sorted(root.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    divided = bool(children) and all(parse_split_name(child.name) for child in children)
    inner = (
        [below for child in children for below in sorted(child.iterdir()) if below.is_dir()] if divided else children
    )
    if any(word in child.name.lower() for child in children for word in _NO_CLASSES):
        return ""
    with_images = [each for each in inner if any(path.suffix.lower() in IMAGE_SUFFIXES for path in each.iterdir())]
    return f"folders of images such as {with_images[0].relative_to(root)}" if len(with_images) > 1 else ""


DETECTOR_TIERS: Sequence[dict[str, Callable[[Path], str]]] = (
    {
        "pets": _has("oxford-iiit-pet", "annotations/trimaps"),
        "cifar10": _has("cifar-10-batches-py"),
        "cifar100": _has("cifar-100-python"),
        "mnist": _has("MNIST/raw"),
        "fashion_mnist": _has("FashionMNIST/raw"),
        "stl10": _has("stl10_binary"),
        "flowers102": _has("flowers-102"),
        "celeba": _has("celeba/list_attr_celeba.txt"),
        "imagenet": _imagenet,
        "wflw": lambda root: _first(wflw.find_wflw_lists(root), root),
        "deeplabcut": lambda root: _first(deeplabcut.find_tables(root), root),
        "pts": _pts,
    },
    {"coco": _coco, "yolo": _yolo, "voc": _voc, "masks": _masks},
    {"table": _table},
    {"folder": _folder},
)
