"""The tool that reads: the text in a receipt, a label or an error screen."""

from __future__ import annotations

from assistant.ocr import read
from assistant.sources import Source
from assistant.tools.clean import KEPT_CHARS, as_data
from assistant.tools.desk import Desk
from assistant.tools.guard import Call, Result, result

KEPT_LINES = 500
"""Lines whose boxes the artifact keeps; it is stored with the conversation."""

NO_TEXT = "There is no readable text in this picture."


def read_text(desk: Desk, call: Call, image: str) -> Result:
    """The text in a picture, line by line; boxes are in the artifact."""
    picture = desk.load_image(image)
    reading = read(picture)
    text = as_data(reading.text)
    if not text:
        return result(NO_TEXT, lines=[])
    kept = as_data(reading.text, KEPT_CHARS)
    source = Source(
        "image", picture.id, "text in the picture", kept, origin="read_text", image_id=picture.id
    )
    return result(text, source, lines=reading.to_dict()["lines"][:KEPT_LINES])
