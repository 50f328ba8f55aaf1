"""labels.json: the words of a data set (classes, names of points, ...) beside tables and shards, which hold numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from candelabra.data.decoding.remote_files import join_inside, read_text_at
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Labels

LABELS_FILE = "labels.json"


def write_labels_json(labels: Labels) -> str:
    """The labels as JSON; mirrored points and normalizer by name.

    >>> print(write_labels_json(Labels(classes=("cat", "dog"))).splitlines()[1])
      "classes": ["cat", "dog"],
    """
    names = labels.keypoints
    words = asdict(labels)
    words["mirror"] = [[names[i], names[j]] for i, j in enumerate(labels.mirror) if i < j]
    words["normalizer"] = [names[point] for point in labels.normalizer]
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in words.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_labels_json(text: str, where: str) -> Labels:
    """What `write_labels_json` wrote; all keys are optional.

    Args:
        text: JSON.
        where: it stands, for messages.

    Raises:
        CandelabraError: it is no JSON, has an unknown key, or a value of another kind.
    """
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CandelabraError(f"{where} is no JSON ({error}).") from error
    return parse_labels_json(words, where)


def merge_label_options(root: str, words: Mapping[str, Any] | None) -> Labels:
    """What is known of a data set beforehand: as typed, else from labels.json at its root (a folder or an address).

    Raises:
        CandelabraError: see `read_labels_json`.
    """
    if words is not None:
        return parse_labels_json(words, "data.words")
    found = read_text_at(join_inside(root, LABELS_FILE))
    return Labels() if found is None else read_labels_json(found, join_inside(root, LABELS_FILE))


def parse_labels_json(words: Any, where: str) -> Labels:
    """The labels that a mapping describes: classes, multilabel, box, keypoints, mirror, normalizer, mask_classes.

    Raises:
        CandelabraError: see `read_labels_json`.
    """
    if not isinstance(words, Mapping):
        raise CandelabraError(f"{where} must be a mapping, such as {{classes: [cat, dog]}}.")
    known = asdict(Labels())
    for key, value in words.items():
        if key not in known:
            raise CandelabraError(f"{where} has the key {key!r}; allowed are {list_nearest(str(key), known)}.")
        if isinstance(known[key], bool) is not isinstance(value, bool) or not isinstance(value, bool | list | tuple):
            raise CandelabraError(
                f"{where}: {key}={value!r} must be {'true or false' if known[key] is False else 'a list'}."
            )
    points = _names(words.get("keypoints", ()), f"{where}: keypoints")
    return Labels(
        classes=_names(words.get("classes", ()), f"{where}: classes"),
        multilabel=words.get("multilabel", False),
        box=words.get("box", False),
        keypoints=points,
        mirror=parse_mirror_pairs(points, words.get("mirror", ()), f"{where}: mirror"),
        normalizer=tuple(_place(points, point, f"{where}: normalizer") for point in words.get("normalizer", ())),
        mask_classes=_names(words.get("mask_classes", ()), f"{where}: mask_classes"),
    )


def parse_mirror_pairs(points: Sequence[str], pairs: Any, where: str) -> tuple[int, ...]:
    """For each point, the index of the one it becomes in a mirror image; empty where there are no points."""
    swapped = list(range(len(points)))
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise CandelabraError(
                f"{where} holds {pair!r}; it must hold pairs of points, such as [left_eye, right_eye]."
            )
        left, right = (_place(points, point, where) for point in pair)
        swapped[left], swapped[right] = right, left
    return tuple(swapped)


def _names(values: Sequence[Any], where: str) -> tuple[str, ...]:
    names = tuple(str(value) for value in values)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CandelabraError(f"{where} names {twice!r} twice.")
    return names


def _place(points: Sequence[str], point: Any, where: str) -> int:
    if str(point) not in points:
        raise CandelabraError(
            f"{where} names the point {point}; there are {list_nearest(str(point), points) or 'no points'}."
        )
    return list(points).index(str(point))
