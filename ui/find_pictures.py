"""The one image index of the server, and what a query finds in it: at most 5,000 pictures.

It knows nothing of Streamlit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from assistant.errors import SightdeskError
from assistant.image_index import Found, ImageIndex, IndexedFile, Note, Results
from ui.find_terms import day_of, name_of

if TYPE_CHECKING:
    from assistant.images import LoadedImage
    from assistant.store import Store
    from ui.find_query import Query, Sort

MOST: Final = 5_000
"""Pictures that one view shows."""

PAGE: Final = 1_000
"""Pictures that the index gives at once."""


class PictureRoom:
    """Holds the image index; what could not be opened is tried again when asked.

    Args:
        open_store: gives the store that all sessions share, or raises StoreError.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._index: ImageIndex | None = None
        self._warmed = False
        self._guard = Lock()

    def index(self) -> ImageIndex:
        """The index of this machine's pictures.

        Raises:
            SightdeskError: the database or the embedder cannot be used.
        """
        with self._guard:
            if self._index is None:
                self._index = ImageIndex.open(store=self._open_store())
            return self._index

    def warm(self) -> None:
        """Read the embedder in the background, so that nobody waits for it."""
        with self._guard:
            if self._warmed:
                return
            self._warmed = True
        Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        # Whoever searches first is told what is wrong.
        with suppress(SightdeskError):
            self.index().embedder.encode_texts(["a picture"])


@dataclass(frozen=True)
class View:
    """What a query found.

    Attributes:
        key: of this view and no other one.
        query: what was asked.
        found: in the order in which they are shown.
        groups: how many of them, one after the other, belong together.
        best: likelihood of the likeliest, shown or not; 0 where likeness was not asked for.
        matching: pictures that the filters let through, as far as they were counted.
        by_likeness: words or a picture were given.
    """

    key: str
    query: Query
    found: tuple[Found, ...]
    groups: tuple[int, ...]
    best: float = 0.0
    matching: int = 0
    by_likeness: bool = False

    @property
    def alike(self) -> bool:
        """It shows near-duplicates."""
        return self.query.alike

    @property
    def nothing(self) -> bool:
        """There are pictures, but none is likely enough."""
        return self.by_likeness and not self.found and self.matching > 0

    def with_note(self, place: int, note: Note) -> View:
        """The same where a note has been made of a picture."""
        old = self.found[place]
        noted = replace(
            old.file, label=note.label, coarse_label=note.coarse_label, caption=note.caption
        )
        found = (*self.found[:place], replace(old, file=noted), *self.found[place + 1 :])
        return replace(self, found=found)


def look(index: ImageIndex, query: Query, picture: LoadedImage | None = None) -> View:
    """Answer a query.

    Args:
        index: where.
        query: what; where it names an indexed picture, `picture` is not looked at.
        picture: one that the visitor brought.

    Raises:
        SightdeskError: the index cannot be searched.
    """
    key = uuid4().hex
    if query.alike:
        return _alike(index, query, key)
    if not query.words and not query.like and picture is None:
        files = list(islice(index.files(where=query.where), MOST))
        once = {file.image_id: Found(file, 0.0, 0.0) for file in reversed(files)}
        found = tuple(_sorted(list(reversed(once.values())), query.sort))
        return View(key, query, found, (len(found),), matching=len(found))
    found_all: list[Found] = []
    total, best = 0, 0.0
    for offset in range(0, MOST, PAGE):
        page = _search(index, query, picture, offset)
        total = page.total
        found_all += page.likely
        best = max([best, *(each.likelihood for each in page.found)])
        last = min((each.likelihood for each in page.found), default=0.0)
        if last < page.least or offset + PAGE >= total:
            break
    found = tuple(_sorted(found_all, query.sort))
    return View(key, query, found, (len(found),), best, total, by_likeness=True)


def _search(index: ImageIndex, query: Query, picture: LoadedImage | None, offset: int) -> Results:
    words, where = query.words, query.where
    least = None if query.least is None else query.least / 100
    if query.like:
        return index.similar(
            query.like, words=words, where=where, limit=PAGE, offset=offset, threshold=least
        )
    return index.search(
        words, image=picture, where=where, limit=PAGE, offset=offset, threshold=least
    )


def _alike(index: ImageIndex, query: Query, key: str) -> View:
    """Groups of near-duplicates, of which one file at least is in the folder that is asked for."""
    found: list[Found] = []
    groups: list[int] = []
    for group in index.near_duplicates():
        if query.folder and not any(file.folder == query.folder for file in group):
            continue
        if len(found) + len(group) > MOST:
            break
        found += [Found(file, 1.0, 1.0) for file in group]
        groups.append(len(group))
    return View(key, query, tuple(found), tuple(groups), matching=len(found))


def _sorted(found: list[Found], sort: Sort) -> list[Found]:
    """In that order; what was not asked by likeness comes newest first instead."""
    if sort == "name":
        return sorted(found, key=lambda each: (name_of(each.file).casefold(), each.file.path))
    if sort == "oldest":
        return sorted(found, key=lambda each: _moment(each.file))
    if sort == "newest" or all(each.likelihood == 0.0 for each in found):
        return sorted(found, key=lambda each: _moment(each.file), reverse=True)
    return found


def _moment(file: IndexedFile) -> float:
    return day_of(file).timestamp()
