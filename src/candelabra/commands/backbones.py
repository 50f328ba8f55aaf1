"""`candelabra backbones`: a table of them, and one of them at length."""

import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from candelabra.errors import CandelabraError, list_nearest

_WORDS = {  # key: (its default, what it takes)
    "size": ("", "pixels, 8 to 2048"),
    "format": ("table", "table or json"),
    "effective": ("false", "true or false"),
    "speed": ("false", "true or false"),
    "batch": ("8", "images, 1 to 1024"),
    "depth": ("2", "levels of modules, 1 to 9"),
    "folder": (".", "where the picture goes"),
}
_SWITCHES = {"true": True, "false": False}


def run_backbones(words: Sequence[str]) -> None:
    """Prints what the catalogue knows.

    Args:
        words: as typed: patterns, or `show` and a name, and keys with their values.

    Raises:
        CandelabraError: a word is not known, or no backbone is called so.
    """
    given = [word for word in words if "=" not in word]
    keys = _read([word for word in words if "=" in word])
    show = given[:1] == ["show"]
    if show and len(given) != 2:
        raise CandelabraError("candelabra backbones show takes one name, as in candelabra backbones show resnet50.")
    size = _number(keys, "size", 8, 2048) if keys["size"] else None
    effective, speed = _switch(keys, "effective"), _switch(keys, "speed")
    batch = _number(keys, "batch", 1, 1024) if speed else 0
    if keys["format"] not in ("table", "json"):
        raise CandelabraError(f"format={keys['format']} is not known; allowed are {_WORDS['format'][1]}.")
    depth = _number(keys, "depth", 1, 9)
    warnings.filterwarnings("ignore", module="torch|timm|torchvision")  # advice to the developers of this program
    from rich.progress import track

    from candelabra.backbones.info.backbone_info import measure_backbone
    from candelabra.backbones.registry import find_backbone_config, list_backbones

    if show:
        from candelabra.backbones.info.details import print_backbone_details as show_one

        node = find_backbone_config(given[1])
        return show_one(measure_backbone(given[1], node, size, effective, batch), node, depth, Path(keys["folder"]))
    found = list(dict.fromkeys(name for pattern in given or ["*"] for name in list_backbones(pattern)))
    if not given:
        found = [name for name in found if not name.startswith("test_")]  # tiny ones, for tests
    quiet = not sys.stderr.isatty()
    from rich.console import Console

    looked = track(found, "looking", console=Console(stderr=True), transient=True, disable=quiet)
    every = [measure_backbone(name, find_backbone_config(name), size, effective, batch) for name in looked]
    if keys["format"] == "json":
        print(json.dumps([asdict(each) for each in every], indent=2))
        return None
    from candelabra.backbones.info.table import print_backbones

    print_backbones(every)
    return None


def _read(words: Sequence[str]) -> dict[str, str]:
    given = dict(word.split("=", 1) for word in words)
    for key in given:
        if key not in _WORDS:
            raise CandelabraError(f"{key}= is not known; allowed are {list_nearest(key, _WORDS)}.")
    return {key: given.get(key, default) for key, (default, _) in _WORDS.items()}


def _number(keys: Mapping[str, str], key: str, least: int, most: int) -> int:
    value = keys[key]
    if not value.isdecimal() or not least <= int(value) <= most:
        raise CandelabraError(f"{key}={value} cannot be used; allowed are {_WORDS[key][1]}.")
    return int(value)


def _switch(keys: Mapping[str, str], key: str) -> bool:
    if keys[key] not in _SWITCHES:
        raise CandelabraError(f"{key}={keys[key]} is not known; allowed are {_WORDS[key][1]}.")
    return _SWITCHES[keys[key]]
