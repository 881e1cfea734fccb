"""What the image index hands out and takes: frozen values, never rows of a database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from assistant.image_index.names import on_disk, shown, stored
from assistant.space import Vectors


@dataclass(frozen=True)
class IndexedFolder:
    """A folder whose pictures are indexed."""

    id: str
    """32 hexadecimal digits."""
    path: Path
    added: datetime
    files: int
    """Pictures in it that can be found."""
    troubles: int
    """Files in it that could not be read as pictures."""

    @property
    def shown(self) -> str:
        """The path as it may be shown: one line that steers no terminal."""
        return shown(stored(os.fspath(self.path)))


@dataclass(frozen=True)
class IndexedFile:
    """A picture's file in an indexed folder."""

    folder: str
    """Id of the folder."""
    path: str
    """Below the folder, parts joined by ``/``, as `names.stored` writes it."""
    root: str
    """Path of the folder, written likewise."""
    image_id: str
    size: int
    """Bytes."""
    modified: datetime
    width: int
    """Pixels, after EXIF rotation."""
    height: int
    taken: datetime | None = None
    """When the photo was taken, by its EXIF data."""
    label: str = ""
    """What a job or a person said that it shows; so with the next two."""
    coarse_label: str = ""
    caption: str = ""

    @property
    def location(self) -> Path:
        """The whole path, as the system has it."""
        return Path(on_disk(self.root), on_disk(self.path))

    @property
    def shown(self) -> str:
        """The path below the folder as it may be shown: on one line."""
        return shown(self.path)


@dataclass(frozen=True)
class Filter:
    """Which pictures a search looks at; what is not given is not asked for.

    Attributes:
        labels: any of these labels.
        coarse_labels: any of these coarse labels.
        folder: id or path of an indexed folder, or the path of a folder above or below one.
        subfolder: below that folder, parts joined by ``/``.
        since: taken then or later; where no camera said when, the time at which the file was
            written counts. A time without zone is local.
        until: taken before.
        min_side: pixels that the shorter side has at least.
        max_side: pixels that the longer side has at most.
        min_bytes: of the file, at least.
        max_bytes: of the file, at most.
    """

    labels: tuple[str, ...] = ()
    coarse_labels: tuple[str, ...] = ()
    folder: str | Path = ""
    subfolder: str = ""
    since: datetime | None = None
    until: datetime | None = None
    min_side: int | None = None
    max_side: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return self != _ALL


_ALL = Filter()


@dataclass(frozen=True)
class Found:
    """A picture that was found, once for all files that show it."""

    file: IndexedFile
    score: float
    """Cosine between what was asked for and the picture, -1 to 1."""
    likelihood: float
    """Probability that it is what was asked for, 0 to 1, by the embedder's calibration and by the
    words that are noted of it."""
    others: tuple[IndexedFile, ...] = ()
    """Further files of the same picture, at most 100."""


@dataclass(frozen=True)
class Results:
    """What a search found, best first."""

    found: tuple[Found, ...] = ()
    nothing: bool = True
    """Whether even the best one is less likely than the threshold: nothing is like it."""
    total: int = 0
    """Pictures that further pages would show, these included."""
    least: float = 0.0
    """The threshold that was asked for, or the embedder's."""

    @property
    def likely(self) -> tuple[Found, ...]:
        """Those that were found and are at least as likely as the threshold."""
        return tuple(each for each in self.found if each.likelihood >= self.least)


@dataclass(frozen=True)
class Trouble:
    """A file that could not be indexed."""

    path: str
    """Below the folder, as `names.stored` writes it."""
    reason: str
    """One sentence, the same for all files with the same trouble."""


@dataclass(frozen=True)
class Indexed:
    """What indexing a folder did, in files."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Note:
    """What a job or a person says of a picture; it takes the place of an earlier note."""

    label: str = ""
    coarse_label: str = ""
    caption: str = ""


@dataclass(frozen=True)
class FileState:
    """A file as the scan saw it, or as the index knows it.

    Attributes:
        path: below the folder, parts joined by ``/``, as `names.stored` writes it.
        size: bytes.
        modified_ns: when it was written, nanoseconds since 1970.
        digest: of its bytes; "" where they could not be read.
        image_id: of the picture that it shows; None where it shows none.
        trouble: why it shows none, a sentence.
        width: pixels.
        height: pixels.
        taken: by EXIF.
    """

    path: str
    size: int
    modified_ns: int
    digest: str = ""
    image_id: str | None = None
    trouble: str | None = None
    width: int = 0
    height: int = 0
    taken: datetime | None = None


@dataclass(frozen=True, eq=False)
class Looks:
    """What the index keeps of a picture's pixels.

    Attributes:
        vector: float32 [d], of length 1.
        sketch: see `assistant.sketch`.
    """

    vector: Vectors
    sketch: bytes


@dataclass(frozen=True)
class Known:
    """What the index knows of a folder.

    Attributes:
        files: by path.
        waiting: image ids that have no vector, since the index is being made anew: their files are
            to be read again.
    """

    files: Mapping[str, FileState] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
