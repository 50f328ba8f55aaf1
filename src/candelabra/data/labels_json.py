"""labels.json: classes, names of points, ... of a data set, beside tables and shards, which hold numbers."""

import json
from collections.abc import Mapping
from typing import Any

from candelabra.data.decoding.remote_files import join_inside, read_text_at
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError

LABELS_FILE = "labels.json"


def write_labels_json(labels: Labels) -> str:
    """The labels as JSON, a line for each target.

    >>> from candelabra.data.targets import LabelTarget
    >>> print(write_labels_json(Labels(LabelTarget(("cat", "dog")))))
    {
      "label": {"classes": ["cat", "dog"], "multilabel": false}
    }
    <BLANKLINE>
    """
    plain = labels.to_plain().items()
    lines = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in plain]
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
    """The labels that a mapping of targets describes.

    Raises:
        CandelabraError: see `read_labels_json`.
    """
    if not isinstance(plain, Mapping) or not all(isinstance(value, Mapping) for value in plain.values()):
        raise CandelabraError(f"{where} must map targets to their fields, such as {{label: {{classes: [cat, dog]}}}}.")
    return Labels.from_plain(plain, where)
