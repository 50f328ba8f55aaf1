"""Blocks of code in the pages of the documentation."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SITE = ROOT / "docs" / "_build"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted(path for path in (ROOT / "docs").rglob("*.md") if _SITE not in path.parents)
_FENCE = re.compile(r"^ *```(?P<language>[^\n]*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- not run: ([^>]+) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: its path below the root of the repository.
        line: of the fence, from 1.
        language: the word after the fence.
        text: what it holds.
        reason: why it is not run, as the comment `<!-- not run: reason -->` before it says; else empty.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines of a console block that are typed, joined where a backslash ends them, without comments."""
        joined = self.text.replace("\\\n", " ")
        typed = [line.strip().removeprefix("$ ") for line in joined.splitlines() if line.strip().startswith("$ ")]
        return [shlex.join(shlex.split(line, comments=True)) for line in typed]


def list_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match["language"] in languages:
                before = text[: match.start()]
                mark = _MARK.search(before)
                reason = mark[1] if mark else ""
                name, line = str(page.relative_to(ROOT)), before.count("\n") + 1
                found.append(Block(name, line, match["language"], match["text"], reason))
    return found
