"""Files that a visitor sends become checked pictures, within the limits, each with its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from assistant.enhance import Enhancement, enhance
from assistant.errors import InputError, SightdeskError
from assistant.images import open_image

if TYPE_CHECKING:
    from assistant.images import LoadedImage

FILE_TYPES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif")


class File(Protocol):
    """What Streamlit hands over: a binary stream with a name."""

    name: str

    def read(self, size: int = -1, /) -> bytes:
        """As of any stream."""


@dataclass(frozen=True)
class Photo:
    """A picture and the name of its file."""

    name: str
    image: LoadedImage


@dataclass
class Opened:
    """What came of files: photos, sentences on those that are none, and how many were too many."""

    photos: list[Photo] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: int = 0


def open_photos(files: Iterable[Any], places: int) -> Opened:
    """Open at most `places` files; more are not even read.

    Two files with the same pixels are one photo.
    """
    files = list(files)
    opened = Opened(left_out=max(0, len(files) - places))
    seen: set[str] = set()
    for file in islice(files, places):
        try:
            image = open_image(file, name=file.name)
        except SightdeskError as problem:
            opened.problems.append(str(problem))
            continue
        if image.id not in seen:
            seen.add(image.id)
            opened.photos.append(Photo(file.name, image))
    return opened


def read_enhancement(values: dict[str, Any] | None) -> Enhancement:
    """The enhancement that was kept; all off where there is none that can be read."""
    try:
        return Enhancement.from_dict(values or {})
    except InputError:
        return Enhancement()


def apply(photos: Iterable[Photo], how: Enhancement) -> list[LoadedImage]:
    """The pictures as the model is given them, in order."""
    return [enhance(photo.image, how) for photo in photos]
