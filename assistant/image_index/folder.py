"""One folder of a run of indexing: compared with what is known, read, embedded and written.

A file that has the size and the time that the index knows costs one `stat`. Any other is read and
hashed; only one whose bytes are unknown is opened and embedded. Each batch is one transaction.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from PIL import Image

from assistant.embedder import Report
from assistant.errors import ImageError, InputError, SightdeskError
from assistant.image_index.names import on_disk, shown, stored
from assistant.image_index.opening import Unsettled, Vanished, open_content, read, stamp
from assistant.image_index.readers import MOST_BYTES, Readers, Room
from assistant.image_index.scanning import OnDisk, Walk
from assistant.image_index.values import FileState, Indexed, Known, Looks, Trouble
from assistant.sketch import sketch

if TYPE_CHECKING:
    from assistant.image_index.core import ImageIndex

BATCH = 32
"""Pictures that are embedded, and written, at once."""

_WRITTEN = 256  # files that are written at once where none is embedded
_TOLD = 500  # files of the walk between two reports
_MOST_AT_ONCE = 50  # of a folder that is suddenly empty


@dataclass(frozen=True)
class How:
    """What a run was told.

    Attributes:
        report: is told what is done.
        cancelled: asked after each picture; where it says yes, the batch is finished and written.
        follow_links: whether links that lead out of a folder are followed.
        anew: whether what could not be opened before is tried again.
    """

    report: Report
    cancelled: Callable[[], bool]
    follow_links: bool = False
    anew: bool = False


@dataclass
class FolderReport:
    """What was done in a folder, so far.

    Attributes:
        folder: as it was given.
        indexed: in files.
        stopped: whether it was cancelled, and what is gone was left.
        left: files that were found and not looked at, since it was interrupted.
        links_outside: links that lead out of the folder and were not followed.
        error: why the folder, or the rest of it, was not indexed.
    """

    folder: Path
    indexed: Indexed = field(default_factory=Indexed)
    stopped: bool = False
    left: int = 0
    links_outside: int = 0
    error: SightdeskError | None = None

    @property
    def title(self) -> str:
        """The folder as it may be shown."""
        return shown(stored(os.fspath(self.folder)))


@dataclass(frozen=True)
class _Look:
    """What a reader found at a path: its state, with the pixels where it was opened."""

    found: OnDisk
    state: FileState | None
    """None where the file is gone."""
    pixels: Image.Image | None = None
    sketch: bytes = b""
    settled: bool = True
    """Of a trouble: whether it stays while the file is the same."""


class FolderRun:
    """One folder of a run.

    Args:
        index: that takes the pictures.
        how: what the run was told.
        told: its report.
        root: the indexed folder.
        below: the part of it that is looked at; all of it where empty.
        inside: ids of indexed folders that become part of it.
    """

    def __init__(
        self,
        index: ImageIndex,
        how: How,
        told: FolderReport,
        root: Path,
        below: str,
        inside: Sequence[str],
    ) -> None:
        self._index, self._keeper, self._how = index, index._keeper, how
        self.told, self._root, self._inside = told, root, inside
        self._settings = index.store.settings
        without = (self._settings.data_dir, self._settings.cache_dir)
        self._walk = Walk(root, stored(below), how.follow_links, without)
        self._prefix = f"{stored(below)}/" if below else ""
        self._counts: dict[str, int] = defaultdict(int)
        self._troubles: list[Trouble] = []
        self._room = Room(MOST_BYTES)
        self._known: dict[str, FileState] = {}
        self._gone: dict[str, FileState] = {}
        self._gone_by_digest: dict[str, list[str]] = defaultdict(list)
        self._by_digest: dict[str, FileState] = {}
        self._waiting: frozenset[str] = frozenset()

    def run(self) -> None:
        """Everything but removing what is gone."""
        self._id = self._keeper.folder(self._root)
        known = self._keeper.states(self._id)
        try:
            todo = self._compare(known)
            self._read(todo)
        finally:
            self._tell()

    def remove_what_is_gone(self) -> bool:
        """Returns whether anything was removed."""
        pictures = sum(state.image_id is not None for state in self._gone.values())
        self._keeper.drop(self._id, list(self._gone))
        self._counts["removed"] += pictures
        for id in self._inside:
            self._keeper.remove(id)
        self._tell()
        return bool(self._gone or self._inside)

    def _compare(self, known: Known) -> list[OnDisk]:
        """Files that are to be read; what is gone is noted."""
        self._waiting = known.waiting
        self._known = {
            path: state for path, state in known.files.items() if path.startswith(self._prefix)
        }
        todo, seen = [], set()
        for count, found in enumerate(self._walk.files()):
            if count % _TOLD == 0:
                seen_so_far = f" · {count:,} files" if count else ""
                self._how.report(f"Looking through {self.told.title}{seen_so_far}", None)
                if self._how.cancelled():
                    self.told.stopped = True
                    return []
            seen.add(found.path)
            state = self._known.get(found.path)
            if state is None or not self._is_settled(state, found):
                todo.append(found)
            elif state.trouble is None:
                self._counts["unchanged"] += 1
            else:
                self._troubles.append(Trouble(found.path, state.trouble))
        self.told.links_outside = self._walk.outside
        unread = tuple(self._walk.unread)
        self._gone = {
            path: state
            for path, state in self._known.items()
            if path not in seen and not path.startswith(unread)
        }
        self._check_not_empty(len(seen))
        for path, state in self._gone.items():
            if state.digest:
                self._gone_by_digest[state.digest].append(path)
        for state in known.files.values():
            self._remember(state)
        for id in self._inside:
            for state in self._keeper.states(id).files.values():
                self._remember(state)
        return todo

    def _is_settled(self, state: FileState, found: OnDisk) -> bool:
        """Whether a file is what the index knows."""
        if (state.size, state.modified_ns) != (found.size, found.modified_ns):
            return False
        if state.trouble is not None:
            return bool(state.digest) and not self._how.anew
        return state.image_id not in self._waiting

    def _check_not_empty(self, seen: int) -> None:
        """A disk that is not mounted looks like an empty folder."""
        if seen or self._prefix or len(self._gone) < _MOST_AT_ONCE:
            return
        with os.scandir(self._root) as entries:
            if next(entries, None) is None:
                self._gone = {}
                raise InputError(
                    f"{self.told.title} is empty, and {len(self._known):,} files of it are "
                    f"indexed; mount its disk, or forget it with sightdesk index --remove."
                )

    def _remember(self, state: FileState) -> None:
        if state.digest and (
            state.trouble is not None or (state.image_id and state.image_id not in self._waiting)
        ):
            self._by_digest.setdefault(state.digest, state)

    # --- reading

    def _read(self, todo: Sequence[OnDisk]) -> None:
        """Read, embed and write, batch by batch."""
        if not todo:
            return
        self._told_so_far(0, len(todo))
        readers = Readers(self._look, todo)
        pictures: list[_Look] = []
        others: list[_Look] = []
        held = done = 0
        try:
            for look in readers.results():
                if look.pixels is None:
                    others.append(look)
                else:
                    pictures.append(look)
                    held += _bytes(look.pixels)
                # Half of the room, so that the readers have the other while these are embedded.
                if (
                    len(pictures) == BATCH
                    or held >= self._room.most // 2
                    or len(others) == _WRITTEN
                ):
                    self._take_up(pictures, others)
                    done += len(pictures) + len(others)
                    pictures, others, held = [], [], 0
                    self._told_so_far(done, len(todo))
                if self._how.cancelled():
                    self.told.stopped = True
                    break
            self._take_up(pictures, others)
            done += len(pictures) + len(others)
        finally:
            self._room.close()
            readers.close()
            self.told.left = len(todo) - done

    def _told_so_far(self, done: int, total: int) -> None:
        self._how.report(f"Indexing {total:,} files of {self.told.title}", done / total)

    def _look(self, found: OnDisk) -> _Look:
        """In a reader's thread."""
        where = os.path.join(self._root, on_disk(found.path))
        self._room.wait()
        try:
            content = read(where, found.path, self._settings)
        except Vanished:
            return _Look(found, None)
        except Unsettled as error:
            return _troubled(found, str(error))
        same = self._by_digest.get(content.state.digest)
        if same is not None and (same.trouble is None or not self._how.anew):
            now = content.state
            return _Look(
                found,
                replace(same, path=now.path, size=now.size, modified_ns=now.modified_ns),
                settled=True,
            )
        try:
            state, image = open_content(content, self._settings)
        except Unsettled as error:
            return _troubled(found, str(error))
        except ImageError as error:
            return _Look(found, replace(content.state, trouble=str(error)))
        self._room.take(_bytes(image.pixels))
        return _Look(found, state, image.pixels, sketch(image.pixels).packed())

    # --- writing

    def _take_up(self, pictures: Sequence[_Look], others: Sequence[_Look]) -> None:
        """Embed and write one batch: a transaction for what moved, and one for all else."""
        moved: dict[str, FileState] = {}
        put: list[FileState] = []
        counts: dict[str, int] = defaultdict(int)
        troubles: list[Trouble] = []
        gone: list[str] = []
        for look in (*pictures, *others):
            state = look.state
            if state is None:
                if look.found.path in self._known:
                    gone.append(look.found.path)
                continue
            before = self._known.get(state.path)
            if state.trouble is not None:
                troubles.append(Trouble(state.path, state.trouble))
                # Of a picture that cannot be read for now, what is known stays.
                if (look.settled or before is None or before.image_id is None) and state != before:
                    put.append(state)
            elif before is not None and before.image_id == state.image_id:
                counts["unchanged"] += 1
                if state != before or state.image_id in self._waiting:
                    put.append(state)
            elif (old := self._moved_from(state)) is not None:
                counts["moved"] += 1
                if look.pixels is None:
                    moved[old] = state
                else:
                    put.append(state)
            else:
                known = before is not None and before.image_id is not None
                counts["changed" if known else "new"] += 1
                put.append(state)
        looks = self._embed(pictures)
        self._keeper.move(self._id, moved)
        self._keeper.put(self._id, put, looks)
        # Only now, since what could not be written was not done.
        for name, count in counts.items():
            self._counts[name] += count
        self._troubles += troubles
        for path in moved:
            del self._gone[path]
        self._gone |= {path: self._known[path] for path in gone}
        if looks:
            self._waiting -= set(looks)
        for state in put:
            self._remember(state)
        self._room.give(sum(_bytes(look.pixels) for look in pictures if look.pixels is not None))

    def _embed(self, pictures: Sequence[_Look]) -> dict[str, Looks]:
        """Of those pictures that have no vector yet."""
        first = {look.state.image_id: look for look in pictures if look.state is not None}
        known = self._keeper.known(id for id in first if id is not None)
        new = {id: look for id, look in first.items() if id is not None and id not in known}
        if not new:
            return {}
        pixels = [look.pixels for look in new.values() if look.pixels is not None]
        vectors = self._index.embedder.encode_pictures(pixels)
        return {
            id: Looks(vector, look.sketch)
            for (id, look), vector in zip(new.items(), vectors, strict=True)
        }

    def _moved_from(self, state: FileState) -> str | None:
        """The path of a file with these bytes that is gone; one of the same name, if there is."""
        places = self._gone_by_digest.get(state.digest)
        if not places:
            return None
        name = PurePath(state.path).name
        named = next((place for place in places if PurePath(place).name == name), places[0])
        places.remove(named)
        return named

    def _tell(self) -> None:
        troubles = sorted([*self._walk.troubles, *self._troubles], key=lambda each: each.path)
        self.told.indexed = Indexed(**self._counts, troubles=tuple(troubles))


def _troubled(found: OnDisk, reason: str) -> _Look:
    """Without a digest, which is what asks for another try the next time."""
    state = FileState(found.path, found.size, stamp(found.modified_ns), trouble=reason)
    return _Look(found, state, settled=False)


def _bytes(pixels: Image.Image) -> int:
    return 3 * pixels.width * pixels.height
