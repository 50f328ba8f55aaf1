"""Which column of a Hugging Face data set is which target."""

from collections.abc import Mapping, Sequence
from typing import Any

from candelabra.data.class_words import clean_class_name
from candelabra.data.targets import BoxTarget, Labels, LabelTarget, list_file_target_classes, list_target_classes
from candelabra.errors import CandelabraError, list_nearest

_IMAGES = ("image", "img", "jpg", "png", "pixel_values")
_OF_OBJECTS = ("objects.category", "objects.label")  # labels that go with boxes


def list_column_guesses() -> dict[str, tuple[str, ...]]:
    """Names that the column of the image and of each target may have, likely ones first."""
    return {"image": _IMAGES, **{name: kind.hub_columns or kind.fields for name, kind in list_target_classes().items()}}


def choose_hub_columns(given: Mapping[str, str] | None, features: Mapping[str, Any], path: str) -> dict[str, str]:
    """Returns the column of each target: as given, else guessed by names and features.

    Args:
        given: column by target, as in data.columns.
        features: of the tables.
        path: of the data set, for errors.

    Raises:
        CandelabraError: a target or column is unknown, or several columns may be the label.
    """
    typed, guesses = dict(given or {}), list_column_guesses()
    for target, column in typed.items():
        if target not in guesses:
            raise CandelabraError(f"data.columns names {target}; allowed are {list_nearest(target, guesses)}.")
        if _feature(features, column) is None:
            raise CandelabraError(f"data.columns has {target}: {column}; there are {list_nearest(column, features)}.")
    found = {target: _guess(features, target, names) for target, names in guesses.items() if target not in typed}
    if found.get(LabelTarget.name) == "":
        labels = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
        raise CandelabraError(
            f"data.path={path} has several labels, {' and '.join(labels)}; choose one with "
            f"data.columns={{label: {labels[0]}}}."
        )
    return typed | {target: column for target, column in found.items() if column}


def _feature(features: Mapping[str, Any], column: str) -> Any:
    """Returns the feature of a column, such as `objects.bbox`, or None where there is none."""
    found: Any = features
    for part in column.split("."):
        found = getattr(found, "feature", found)
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _guess(features: Mapping[str, Any], target: str, names: Sequence[str]) -> str | None:
    """Guesses the column of a target; returns an empty name where several might be it, None where none is."""
    images = target in ("image", *list_file_target_classes())
    for column in names:
        feature = _feature(features, column)
        if feature is not None and (type(feature).__name__ == "Image") is images:
            return column
    kind = {"image": "Image", LabelTarget.name: "ClassLabel"}.get(target)
    found = [column for column, feature in features.items() if type(feature).__name__ == kind]
    if target == LabelTarget.name and not found:
        found = [column for column in _OF_OBJECTS if _feature(features, column) is not None][:1]
    return found[0] if len(found) == 1 or (found and images) else "" if found else None


def add_class_names(given: Labels, features: Mapping[str, Any], columns: Mapping[str, str]) -> Labels:
    """Completes labels with the class names that the features have."""
    if LabelTarget.name not in columns:
        return given
    feature = _feature(features, columns[LabelTarget.name])
    inner = getattr(feature, "feature", feature)
    names = tuple(getattr(inner, "names", None) or ())
    cleaned = tuple(map(clean_class_name, names))
    classes = cleaned if len(set(cleaned)) == len(names) else names  # samples have their numbers
    known = given.find(LabelTarget) or LabelTarget()
    multilabel = known.multilabel or (inner is not feature and not has_box_labels(columns))
    return given.with_target(LabelTarget(known.classes or classes, multilabel))


def has_box_labels(columns: Mapping[str, str]) -> bool:
    """Whether each box has a label, rather than each image."""
    label, box = (columns.get(kind.name, "") for kind in (LabelTarget, BoxTarget))
    return "." in label and label.split(".")[0] == box.split(".")[0]


def read_hub_column(tables: Any, column: str | None) -> list[Any]:
    """Reads a column of all splits; a class of -1 means none."""
    cells: list[Any] = []
    for table in tables:
        if column is None:
            cells += [None] * len(table)
            continue
        first, *rest = column.split(".")
        found = table.select_columns([first])[:][first] if len(table) else []
        for part in rest:
            found = [_read_field(cell, part) for cell in found]
        cells += [None if isinstance(cell, int) and cell < 0 else cell for cell in found]
    return cells


def _read_field(cell: Any, part: str) -> Any:
    if isinstance(cell, list):  # of objects
        return [each[part] for each in cell]
    return None if cell is None else cell[part]
