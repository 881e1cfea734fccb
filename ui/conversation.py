"""One visitor's conversation: what was asked, what was answered, about which photos.

It knows ids, thumbnails and text; it draws nothing and asks no model. It is kept by reference while
an answer is streamed: a stopped script may touch this object, but no longer Streamlit's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from assistant.images import fit_within
from assistant.prompts import DESCRIBE

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine, Turn
    from assistant.images import LoadedImage

MAX_PHOTOS = 4
"""Photos that one turn may bring."""

MAX_EXCHANGES = 20
"""Exchanges that are kept and shown; older ones are forgotten, with their photos."""

MAX_TOLD = 6
"""Exchanges that the model is told of: its context is short, and its training was on fewer."""

THUMBNAIL_PIXELS = 320
DESCRIBE_SHOWN = "Describe this picture"


@dataclass
class Photo:
    """What is kept of a picture: its full size only until it is encoded."""

    id: str
    name: str
    thumbnail: bytes
    """JPEG, at most `THUMBNAIL_PIXELS` wide and high."""
    picture: LoadedImage | None
    encoded: EncodedImage | None = None


@dataclass
class Exchange:
    """One message and what came of it."""

    question: str
    """As it is put to the model."""
    shown: str
    """As the visitor reads it."""
    photos: tuple[str, ...] = ()
    answer: str = ""
    seconds: float | None = None
    stopped: bool = False
    error: str | None = None
    note: str | None = None


@dataclass
class Conversation:
    """Exchanges in order, and the photos that they name."""

    exchanges: list[Exchange] = field(default_factory=list)
    photos: dict[str, Photo] = field(default_factory=dict)

    def add(self, text: str, pictures: Sequence[tuple[str, LoadedImage]]) -> Exchange:
        """Begin an exchange; without a text, the pictures are to be described.

        Args:
            text: the message as typed.
            pictures: each with the name of its file.
        """
        text = text.strip()
        for name, picture in pictures:
            if picture.id not in self.photos:
                self.photos[picture.id] = Photo(
                    picture.id, name, make_thumbnail(picture.pixels), picture
                )
        exchange = Exchange(
            question=text or DESCRIBE["sentence"],
            shown=text or DESCRIBE_SHOWN,
            photos=tuple(dict.fromkeys(picture.id for _, picture in pictures)),
        )
        self.exchanges.append(exchange)
        self._forget()
        return exchange

    @property
    def last_seconds(self) -> float | None:
        """How long the latest finished answer took."""
        times = [exchange.seconds for exchange in self.exchanges if exchange.seconds is not None]
        return times[-1] if times else None

    def turns(self) -> list[Turn]:
        """What the model is told: answered exchanges, then the last one's question.

        Photos of an exchange that was left without an answer, or that is too old to be told, go
        with the next question, so that a photo survives a stopped answer or a long conversation.
        """
        from assistant.engine import Turn

        *earlier, last = self.exchanges
        answered = [exchange for exchange in earlier if exchange.answer]
        told = {id(exchange) for exchange in [*answered[-(MAX_TOLD - 1) :], last]}
        turns: list[Turn] = []
        waiting: tuple[str, ...] = ()
        for exchange in self.exchanges:
            if id(exchange) not in told:
                waiting = exchange.photos or waiting
                continue
            turns.append(Turn("user", exchange.question, exchange.photos or waiting))
            waiting = ()
            if exchange is not last:
                turns.append(Turn("assistant", exchange.answer))
        return turns

    def encode(self, ids: Sequence[str], engine: Engine) -> list[EncodedImage]:
        """Encoded images of `ids`, without repeats; each photo is encoded once a conversation."""
        wanted = [self.photos[name] for name in dict.fromkeys(ids)]
        new = [photo.picture for photo in wanted if photo.picture is not None]
        if new:
            for encoded in engine.encode_images(new):
                photo = self.photos[encoded.id]
                photo.encoded, photo.picture = encoded, None
        return [photo.encoded for photo in wanted if photo.encoded is not None]

    def _forget(self) -> None:
        """Drop the oldest exchanges; the photos that the conversation is about move on."""
        while len(self.exchanges) > MAX_EXCHANGES:
            oldest = self.exchanges.pop(0)
            following = self.exchanges[0]
            following.photos = following.photos or oldest.photos
        used = {name for exchange in self.exchanges for name in exchange.photos}
        self.photos = {name: photo for name, photo in self.photos.items() if name in used}


def make_thumbnail(pixels: Image.Image) -> bytes:
    """JPEG of a picture, at most `THUMBNAIL_PIXELS` on its longer side."""
    data = BytesIO()
    fit_within(pixels, THUMBNAIL_PIXELS).save(data, "JPEG", quality=85)
    return data.getvalue()
