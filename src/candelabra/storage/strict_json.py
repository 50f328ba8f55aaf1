"""JSON as the standard has it: NaN and infinity, which Python writes and other languages refuse, become null."""

import json
import math
from collections.abc import Mapping
from typing import Any


def format_json(content: Any) -> str:
    """Formats plain values as indented JSON with a line break at the end.

    >>> print(format_json({"loss": float("nan")}), end="")
    {
      "loss": null
    }
    """
    return json.dumps(_replace_numbers(content), indent=2, allow_nan=False) + "\n"


def _replace_numbers(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _replace_numbers(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_replace_numbers(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
