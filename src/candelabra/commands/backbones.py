"""`candelabra backbones`: a table of all backbones, or the details of one."""

import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from candelabra.cli.arguments import parse_arguments
from candelabra.errors import CandelabraError

_KEYS = ("size", "format", "effective", "speed", "batch", "depth", "folder")


def run_backbones(words: Sequence[str]) -> None:
    """Prints a table of backbones, or the details of one.

    Args:
        words: as typed: patterns, or `show` and a name, and keys with their values.

    Raises:
        CandelabraError: a word is not known, or no backbone is called so.
    """
    arguments = parse_arguments(words, _KEYS, "candelabra backbones")
    given = arguments.positional
    show = given[:1] == ["show"]
    if show and len(given) != 2:
        raise CandelabraError("candelabra backbones show takes one name, as in candelabra backbones show resnet50.")
    size = arguments.number("size", 224, 8, 2048, "pixels") if arguments.options.get("size") else None
    effective, speed = arguments.switch("effective"), arguments.switch("speed")
    batch = arguments.number("batch", 8, 1, 1024, "images") if speed else 0
    kind, depth = arguments.choice("format", ["table", "json"]), arguments.number("depth", 2, 1, 9, "levels of modules")
    warnings.filterwarnings("ignore", module="torch|timm|torchvision")  # advice to the developers of this program
    from rich.progress import track

    from candelabra.backbones.info.backbone_info import measure_backbone
    from candelabra.backbones.registry import find_backbone_config, list_backbones

    if show:
        from candelabra.backbones.info.details import print_backbone_details as show_one

        node = find_backbone_config(given[1])
        facts = measure_backbone(given[1], node, size, effective, batch)
        return show_one(facts, node, depth, Path(arguments.options.get("folder", ".")))
    found = list(dict.fromkeys(name for pattern in given or ["*"] for name in list_backbones(pattern)))
    if not given:
        found = [name for name in found if not name.startswith("test_")]  # tiny ones, for tests
    quiet = not sys.stderr.isatty()
    from rich.console import Console

    looked = track(found, "looking", console=Console(stderr=True), transient=True, disable=quiet)
    every = [measure_backbone(name, find_backbone_config(name), size, effective, batch) for name in looked]
    if kind == "json":
        print(json.dumps([asdict(each) for each in every], indent=2))
        return None
    from candelabra.backbones.info.table import print_backbones

    print_backbones(every)
    return None
