"""Names beside the colours that pictures are painted in."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from candelabra.data.glyphs import choose_image_font, replace_missing_glyphs
from candelabra.data.targets.drawing import DARK, WHITE, Colour

_LINE, _LETTERS, _SQUARE, _GAP = 18, 13, 12, 14  # pixels


def add_legend(sheet: Image.Image, entries: Sequence[tuple[str, Colour]]) -> Image.Image:
    """Puts a legend below a sheet of pictures, in as many lines as its width asks for; none where there are no entries.

    Args:
        sheet: RGB.
        entries: name and colour of each; a name that is wider than the sheet is cut off.
    """
    named = [(replace_missing_glyphs(name), colour) for name, colour in entries]
    measure = ImageDraw.Draw(sheet).textlength
    places, left, line = [], _GAP // 2, 0
    for name, _ in named:
        wide = _SQUARE + 4 + round(measure(name, choose_image_font(name, _LETTERS))) + _GAP
        if left + wide > sheet.width and left > _GAP:
            left, line = _GAP // 2, line + 1
        places.append((left, sheet.height + line * _LINE))
        left += wide
    if not places:
        return sheet
    whole = Image.new("RGB", (sheet.width, sheet.height + (line + 1) * _LINE), WHITE)
    whole.paste(sheet)
    brush = ImageDraw.Draw(whole)
    for (name, colour), (x, y) in zip(named, places, strict=True):
        brush.rectangle((x, y + 3, x + _SQUARE, y + 3 + _SQUARE), fill=colour, outline=DARK)
        brush.text((x + _SQUARE + 4, y), name, fill=DARK, font=choose_image_font(name, _LETTERS))
    return whole
