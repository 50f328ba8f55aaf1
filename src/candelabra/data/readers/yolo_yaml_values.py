"""The text files that describe a YOLO data set: its yaml, Darknet's .data file, and lists of names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue
from candelabra.data.readers.class_names import clean_class_names
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError
from candelabra.storage.documents import check_yaml

NAME_FILES = ("classes.txt", "labels/classes.txt", "obj.names", "data/obj.names", "labels.txt")
_EMPTY = ("", "~", "null", "Null", "NULL", "None")
_DARKNET = {"train", "valid", "test", "names"}


def load_yolo_yaml(path: Path) -> Mapping[str, Any]:
    """The values of a yaml, all of them text, so that classes called no, 007 or 1e3 keep their names.

    Raises:
        CandelabraError: it is missing or no yaml.
    """
    import yaml

    if not path.is_file():
        raise CandelabraError(f"data.file={path} is missing; name the yaml with data.file=<file below data.root>.")
    text = read_annotation_text(path, path.name, []) or ""
    if path.suffix.lower() == ".data":
        return _parse_darknet(text)
    try:
        check_yaml(text)
        said = yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CandelabraError(f"data.file={path} is no yaml ({' '.join(str(error).split())}).") from error
    found = {str(key): value for key, value in said.items()} if isinstance(said, dict) else {}
    return {key: value for key, value in found.items() if key == "names" or value not in _EMPTY}


def _parse_darknet(text: str) -> Mapping[str, Any]:
    """Lines `key = value`, as Darknet and CVAT's YOLO 1.1 have them."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs if key.strip() in _DARKNET and value.strip()}


def read_yolo_names(said: Mapping[str, Any], root: Path, path: Path | None, issues: list[DataIssue]) -> dict[int, str]:
    """Names of the classes by number: those of the yaml, else of a list beside it; empty where nobody named them.

    Raises:
        CandelabraError: they are no list, and no names by number.
    """
    given = said.get("names")
    where = path.name if path else "names"
    if isinstance(given, str) and given.strip():
        listed = _find_list(root, path, given)
        if listed is None and ("," in given or given.strip().replace(".", "").isdigit()):
            raise CandelabraError(f"names={given} of the yaml should be a list, or names by number.")
        given = _read_list(listed) if listed else [given]
    elif not given:
        listed = next((root / name for name in NAME_FILES if (root / name).is_file()), None)
        given, where = (_read_list(listed), listed.name) if listed else ([], where)
    try:
        items = given.items() if isinstance(given, dict) else enumerate(given or ())
        names = {int(number): name for number, name in items}
    except (TypeError, ValueError) as error:
        raise CandelabraError(f"names={given} of the yaml should be a list, or names by number.") from error
    odd = [name for name in names.values() if not isinstance(name, str)]
    if odd:
        raise CandelabraError(f"names of the yaml hold {odd[0]!r:.80}; each name should be a word.")
    return clean_class_names(names, where, issues)


def _find_list(root: Path, path: Path | None, stated: str) -> Path | None:
    """The file that `names` states, by its end."""
    name = Path(stated.replace("\\", "/").strip()).name
    bases = [path.parent] if path else []
    places = (base / folder / name for base in (*bases, root) for folder in ("", "data"))
    return next((each for each in places if name and each.is_file()), None)


def _read_list(path: Path) -> list[str]:
    lines = (read_annotation_text(path, path.name, []) or "").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines if all(line.strip() for line in lines) else [line for line in lines if line.strip()]


def read_point_shape(said: Mapping[str, Any], path: Path | None) -> tuple[tuple[int, int] | None, Sequence[int] | None]:
    """`kpt_shape` and `flip_idx`.

    Raises:
        CandelabraError: they cannot be meant.
    """
    given, flips = said.get("kpt_shape"), said.get("flip_idx")
    if given is None:
        return None, None
    shape = _whole_numbers(given)
    if shape is None or len(shape) != 2 or shape[0] < 1 or shape[1] not in (2, 3):
        raise CandelabraError(f"kpt_shape={given} of {path} should be [number of points, 2 or 3].")
    mirror = _whole_numbers(flips) if flips else []
    if mirror is None or (mirror and sorted(mirror) != list(range(shape[0]))):
        raise CandelabraError(f"flip_idx={flips} of {path} should name each of the {shape[0]} points once.")
    return (shape[0], shape[1]), mirror or None


def _whole_numbers(given: Any) -> list[int] | None:
    try:
        return [int(str(each)) for each in given] if isinstance(given, list) else None
    except ValueError:
        return None


def name_points(said: Mapping[str, Any], shape: tuple[int, int] | None) -> list[str]:
    """Names of the points: `kpt_names` where there are as many, else numbers."""
    if shape is None:
        return []
    names = said.get("kpt_names")
    names = next(iter(names.values()), None) if isinstance(names, dict) else names
    if isinstance(names, list) and len(names) == shape[0]:
        return [str(name) for name in names]
    return [str(number) for number in range(shape[0])]


def is_yolo_description(path: Path) -> bool:
    """Whether a file names classes and where a split's images are."""
    try:
        said = load_yolo_yaml(path)
    except CandelabraError:
        return False
    return "names" in said and any(key in SPLIT_ALIASES for key in said)
