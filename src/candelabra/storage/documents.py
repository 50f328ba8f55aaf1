"""YAML and JSON files of anybody: read to plain values, in memory that their own size bounds."""

import json
from collections.abc import Iterable
from typing import Any

_DEPTH = 200  # of lists and mappings in each other; the compiled YAML parser crashes at some 100,000
_VALUES = 2_000_000  # of a YAML file, once its aliases are filled in: nine lines can stand for 10^9 values


def load_yaml(text: str) -> Any:
    """Parses YAML to plain values; uses the compiled loader if available, which is ten times as fast.

    Raises:
        yaml.YAMLError: the text is not valid YAML.
        ValueError: it is nested too deep, or its aliases stand for too many values.
    """
    import yaml

    check_yaml(text)
    return yaml.load(text, _find_loader())


def check_yaml(text: str) -> None:
    """Checks that YAML can be loaded by any safe loader in little memory.

    Raises:
        yaml.YAMLError: the text is not valid YAML.
        ValueError: it is nested too deep, or its aliases stand for too many values.
    """
    import yaml

    _check_events(yaml.parse(text, _find_loader()))


def load_json(text: str | bytes) -> Any:
    """Parses JSON.

    Raises:
        ValueError: the text is not valid JSON, or is nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _find_loader() -> Any:
    """The compiled safe loader, or Python's where PyYAML was built without libyaml."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(events: Iterable[Any]) -> None:
    """Counts the values that a document stands for; memory is that of one event and of the open ones."""
    import yaml

    sizes: dict[str, int] = {}  # of anchors
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            if len(open_nodes) > _DEPTH:
                raise ValueError(f"it is nested deeper than {_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            total += 1
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in open_nodes}:
                raise ValueError(f"its alias {event.anchor} contains itself")
            total += sizes.get(event.anchor, 1)  # of a scalar 1
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
        if total > _VALUES:
            raise ValueError(f"it stands for more than {_VALUES} values")
