"""Pictures that were found as one picture: a grid with a line under each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from assistant.errors import SightdeskError
from assistant.image_index.values import Found, IndexedFile
from assistant.images import open_image

if TYPE_CHECKING:
    from assistant.image_index.core import ImageIndex

_SIDE, _GAP, _LINE = 256, 12, 20
_WIDEST = 8
_PAPER, _INK, _EMPTY = "white", "#202020", "#dddddd"


def contact_sheet(index: ImageIndex, found: Sequence[Found]) -> Image.Image:
    """A grid of what was found, in its order: number, likelihood and name under each.

    A file that cannot be opened any more is an empty field.
    """
    columns = min(_WIDEST, max(1, math.ceil(math.sqrt(len(found)))))
    rows = max(1, math.ceil(len(found) / columns))
    width, height = _SIDE + _GAP, _SIDE + _LINE + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, one in enumerate(found):
        left = _GAP + place % columns * width
        top = _GAP + place // columns * height
        small = _thumbnail(index, one.file)
        if small is None:
            draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), fill=_EMPTY)
        else:
            at = (left + (_SIDE - small.width) // 2, top + (_SIDE - small.height) // 2)
            sheet.paste(small, at)
        name = one.file.shown.rpartition("/")[2]
        line = _fitting(draw, f"{place + 1}  {one.likelihood:.2f}  ", name)
        draw.text((left, top + _SIDE + 2), line, fill=_INK, font=_font())
    return sheet


def _thumbnail(index: ImageIndex, file: IndexedFile) -> Image.Image | None:
    try:
        return open_image(index.thumbnail(file, _SIDE)).pixels
    except SightdeskError:
        return None


def _fitting(draw: ImageDraw.ImageDraw, begins: str, name: str) -> str:
    """A line that is no wider than a field: the end of a name tells more than its middle."""
    line = begins + name
    keep = len(name)
    while keep > 8 and draw.textlength(line, font=_font()) > _SIDE:
        keep -= 2
        line = f"{begins}{name[: keep // 2]}…{name[len(name) - keep // 2 :]}"
    return line


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Matplotlib's, which has more scripts than Pillow's own."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 13)
