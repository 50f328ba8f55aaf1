"""labels.json: classes, names of points, ... of a data set, beside tables and shards, which hold numbers."""

import json
from collections.abc import Mapping
from typing import Any

from candelabra.data.decoding.remote_files import join_inside, read_text_at
from candelabra.data.targets import Labels
from candelabra.data.targets.label import LabelTarget
from candelabra.data.targets.target_classes import list_target_classes
from candelabra.errors import CandelabraError

LABELS_FILE = "labels.json"


def write_labels_json(labels: Labels) -> str:
    """The labels as JSON, a line for each field.

    Fields of the label have their own names, those of other targets the target's before it; a target without fields is
    true.

    >>> from candelabra.data.targets import BoxTarget, MaskTarget
    >>> labels = Labels(LabelTarget(("cat", "dog")), BoxTarget(), MaskTarget(("background", "pet")))
    >>> print(write_labels_json(labels))
    {
      "classes": ["cat", "dog"],
      "multilabel": false,
      "box": true,
      "mask_classes": ["background", "pet"]
    }
    <BLANKLINE>
    """
    flat: dict[str, Any] = {}
    for name, fields in labels.to_plain().items():
        before = "" if name == LabelTarget.name else f"{name}_"
        flat |= {before + field: value for field, value in fields.items()} or {name: True}
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in flat.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_labels_json(text: str, where: str) -> Labels:
    """Parses what `write_labels_json` wrote; every key is optional.

    Args:
        text: JSON.
        where: it stands, for messages.

    Raises:
        CandelabraError: it is no JSON, names an unknown target or field, or a value has the wrong type.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CandelabraError(f"{where} is no JSON ({error}).") from error
    return parse_labels_json(plain, where)


def merge_label_options(root: str, words: Mapping[str, Any] | None) -> Labels:
    """The labels that are known before a data set is read: as typed, else from labels.json at its root.

    Args:
        root: a folder or an address.
        words: `data.words`; null where not given.

    Raises:
        CandelabraError: see `read_labels_json`.
    """
    if words is not None:
        return parse_labels_json(words, "data.words")
    found = read_text_at(join_inside(root, LABELS_FILE))
    return Labels() if found is None else read_labels_json(found, join_inside(root, LABELS_FILE))


def parse_labels_json(plain: Any, where: str) -> Labels:
    """The labels that a mapping describes, see `write_labels_json`.

    Raises:
        CandelabraError: see `read_labels_json`.
    """
    if not isinstance(plain, Mapping):
        raise CandelabraError(f"{where} must be a mapping, such as {{classes: [cat, dog]}}.")
    targets = sorted(list_target_classes(), key=len, reverse=True)
    nested: dict[str, dict[str, Any]] = {}
    for key, value in plain.items():
        if key in targets:
            if not isinstance(value, bool):
                raise CandelabraError(f"{where}: {key} must be true or false; its fields stand as {key}_<field>.")
            if value:
                nested.setdefault(key, {})
            continue
        name = next((target for target in targets if str(key).startswith(f"{target}_")), LabelTarget.name)
        nested.setdefault(name, {})[str(key).removeprefix(f"{name}_")] = value
    return Labels.from_plain(nested, where)
