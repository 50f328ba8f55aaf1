"""Names of any kind in pictures: one line, letters that some font of this system has, no formulas.

matplotlib takes `$` for the sign of a formula, and neither it nor Pillow draws a letter that its font lacks: Chinese,
Japanese and Korean ones, emoji. A font of this system that has them is looked for; letters without any font are written
by number.
"""

import re
import unicodedata
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import ImageFont

_DEFAULT = "DejaVu Sans"  # comes with matplotlib
_UNUSED = re.compile("Color|Last ?Resort")  # bitmaps, and boxes in place of letters
_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # of Unicode; Cs are bytes of a file name that are not UTF-8
_JOINERS = "\u200c\u200d"  # hold emoji and letters together; no font draws them


def escape_breaks(name: str) -> str:
    r"""A name on one line: line breaks, control characters and marks that turn the direction are written as escapes.

    >>> print(escape_breaks("two\nlines"))
    two\nlines
    """
    return "".join(
        sign if sign in _JOINERS or unicodedata.category(sign) not in _ESCAPED else _escape_sign(sign) for sign in name
    )


def replace_missing_glyphs(name: str) -> str:
    """A name on one line, of letters that some font of this system has; others become escapes with their number."""
    line = escape_breaks(name)
    if line.isascii():
        return line
    return "".join(sign if sign.isascii() or find_font(sign) is not None else _escape_sign(sign) for sign in line)


def escape_formula(name: str) -> str:
    r"""A name as a label of matplotlib, see `replace_missing_glyphs`; `$` starts no formula.

    >>> print(escape_formula("under_$5_to_$10^"))
    under_\$5_to_\$10^
    """
    return replace_missing_glyphs(name).replace("$", r"\$")


def save_figure(figure: "Figure", target: Path | IO[bytes], **options: Any) -> None:
    """Saves a figure of matplotlib; texts get a font that has their letters.

    Args:
        figure: whose names went through `escape_formula`, or through `replace_missing_glyphs` where formulas are off.
        target: path of the picture, or an open file.
        options: of `savefig`.
    """
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.get_xticklabels()  # ticks get their texts when they are asked for
        axes.get_yticklabels()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        signs = {sign for sign in text.get_text() if not sign.isascii()}
        found = dict.fromkeys(font.name for sign in sorted(signs) if (font := find_font(sign)) is not None)
        if set(found) - {_DEFAULT}:
            text.set_fontfamily([_DEFAULT, *(name for name in found if name != _DEFAULT)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # joiners, and what a font only claims to have
        figure.savefig(target, **options)


def choose_image_font(words: str, size: int = 10) -> "ImageFont.FreeTypeFont":
    """A font for Pillow that has the letters of a line, or most of them."""
    from PIL import ImageFont

    found = [font for sign in words if not sign.isascii() and (font := find_font(sign)) is not None]
    path = max(found, key=found.count).path if found else _find_default_font()  # Pillow's own has narrow spaces
    return ImageFont.truetype(path, size)


class FontFile:
    """A font of this system.

    Args:
        name: of its family.
        path: of its file.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path


@cache
def find_font(sign: str) -> FontFile | None:
    """A font that has a letter, that of matplotlib first; null where none has it."""
    return next((font for font in _list_fonts() if ord(sign) in _read_letters(font.path)), None)


@cache
def _find_default_font() -> str:
    found = find_spec("matplotlib")  # not imported, which takes as long as reading ten pictures
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    return str(folder / f"{_DEFAULT.replace(' ', '')}.ttf")


@cache
def _list_fonts() -> tuple[FontFile, ...]:
    """The upright, regular fonts that matplotlib finds on this system, its own first; Noto's and others after it."""
    from matplotlib.font_manager import fontManager

    entries = sorted(
        (entry for entry in fontManager.ttflist if entry.style == "normal" and not _UNUSED.search(entry.name)),
        key=lambda entry: (
            entry.name != _DEFAULT,
            "CJK" not in entry.name,
            abs(_weigh(entry.weight) - 400),
            entry.name,
        ),
    )
    return tuple(FontFile(entry.name, entry.fname) for entry in entries)


def _weigh(weight: int | str) -> int:
    return weight if isinstance(weight, int) else {"normal": 400, "regular": 400, "book": 400}.get(weight, 700)


@cache
def _read_letters(path: str) -> Mapping[int, int]:
    """The code points of a font; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return dict(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return {}


def _escape_sign(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
