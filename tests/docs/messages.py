"""Messages that the source can print, with `…` for what is filled in."""

import ast
import re
from functools import cache

from tests.docs.pages import ROOT

FILLED = "…"


@cache
def list_messages() -> list[str]:
    """All texts of the source, formatted ones and those of the logger included."""
    found = []
    for path in sorted((ROOT / "src" / "candelabra").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_read_part(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                found.append(re.sub(r"%[-+.\d]*[a-z%]", FILLED, node.value))
    return found


def _read_part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else FILLED
