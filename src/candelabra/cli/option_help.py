"""The keys of an option of a config group with their comments, read from its yaml as text: no library is imported."""

import re
from collections.abc import Sequence
from pathlib import Path

from candelabra.plugins.discovery import list_config_folders

_LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>(?: [^#\s][^#]*?)?)\s*(?P<comment>#.*)?")


def format_chosen_options(words: Sequence[str]) -> list[str]:
    """Formats the keys of each `group=option` among some words: `data=folder` gives data.root, data.size, ..."""
    parts = []
    for word in words:
        place, sign, option = word.lstrip("+").partition("=")
        group, _, package = place.partition("@")
        path = _find_yaml(group, option) if sign else None
        if path is not None:
            keys = _list_keys(path, group, package or group)
            lines = [f"  {key}{rest}" for key, rest in keys.items()] or ["  none"]
            parts.append("\n".join([f"Keys of {place}={option}{_read_comment(path)}", *lines]))
    return parts


def _find_yaml(group: str, option: str) -> Path | None:
    paths = (folder / group / f"{option}.yaml" for folder in list_config_folders())
    return next((path for path in paths if path.is_file()), None)


def _read_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return f": {first.removeprefix('# ')}" if first.startswith("# ") and "@package" not in first else ""


def _list_keys(path: Path, group: str, package: str) -> dict[str, str]:
    """`=value # comment` by key; the yaml's own keys before those that it has by default from others."""
    lines = path.read_text(encoding="utf-8").splitlines()
    prefixes = [] if "# @package _global_" in lines[:1] else [package]
    depth = len(prefixes)
    own: dict[str, str] = {}
    inherited: dict[str, str] = {}
    in_defaults = False
    for line in lines:
        in_defaults = line == "defaults:" or (in_defaults and line.startswith(("  -", "#")))
        entry = re.fullmatch(r"  - (?:/(?P<group>\w+)@(?P<package>[\w.]+): )?(?P<option>\w+)(?: #.*)?", line)
        if in_defaults and entry:
            found = _find_yaml(entry["group"] or group, entry["option"])
            place = f"{package}.{entry['package']}" if entry["package"] else package
            inherited |= _list_keys(found, entry["group"] or group, place) if found else {}
        match = _LINE.fullmatch(line)
        if in_defaults or match is None or match["key"].startswith("_"):
            continue
        del prefixes[depth + len(match["indent"]) // 2 :]
        prefixes.append(match["key"])
        value = match["value"].strip()
        comment = match["comment"] or ("# must be given" if value == "???" else "")
        if value or comment:
            own[".".join(prefixes)] = f"{'=' if value else ''}{value} {comment}".rstrip()
    return {**own, **{key: rest for key, rest in inherited.items() if key not in own}}
