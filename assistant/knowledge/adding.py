"""From a path to documents: which files are read, which did not change, which are gone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from assistant.embedder import Report
from assistant.errors import DataError, InputError
from assistant.knowledge.keeping import Keeper
from assistant.knowledge.reading import SUFFIXES, ReadText, Source, read_document
from assistant.knowledge.values import Added, Reading
from assistant.store import Store
from assistant.store.knowledge_rows import KnowledgeDocumentRow
from assistant.store.text import one_line, storable

VERSION = 1
"""Of how documents are read; a change of it reads all of them again when they are added again."""

_MOST_FILES = 20_000
_MOST_TROUBLES = 200


class Adding:
    """One call of `Knowledge.add`.

    Args:
        store: where the documents are.
        tenant: whose.
        keeper: takes up what was read.
        read_text: reads scanned pages.
        report: is told what is done.
    """

    def __init__(
        self, store: Store, tenant: str, keeper: Keeper, read_text: ReadText | None, report: Report
    ) -> None:
        self._store, self._tenant, self._keeper = store, tenant, keeper
        self._read_text, self._report = read_text, report
        self.something_went = False
        """Whether passages were removed or replaced."""

    def add(self, path: Path) -> Added:
        """See `Knowledge.add`."""
        path = path.expanduser()
        if not path.exists():
            raise InputError(f"There is no file or folder {path}; name one that is there.")
        if not path.is_dir():
            return self._add_files([(path, one_line(path.name))], root="")
        root = storable(str(path.resolve()))
        files = [(file, storable(file.relative_to(path).as_posix())) for file in _walk(path)]
        added = self._add_files(files, root=root)
        gone = self._gone(root, {name for _, name in files})
        for name in gone:
            self._keeper.remove(name)
        self.something_went |= bool(gone)
        return replace(added, removed=len(gone))

    def _add_files(self, files: list[tuple[Path, str]], root: str) -> Added:
        documents = passages = unchanged = 0
        troubles: list[str] = []
        known = self._digests()
        for place, (path, name) in enumerate(files):
            report = self._part(place, len(files))
            report(f"Reading {name}", 0.0)
            try:
                source = self._source(path, name, report)
                mark = _mark(source)
                if known.get(name) == mark:
                    unchanged += 1
                    continue
                reading = read_document(source)
            except DataError as error:
                troubles.append(str(error))
                continue
            self.something_went |= name in known
            kept = self._keeper.put(
                name,
                reading,
                mark=mark if _is_whole(reading) else f"partly {mark}",
                root=root,
                size=len(source.data),
                report=report,
            )
            troubles += [*reading.troubles, *kept.troubles]
            documents += 1
            passages += kept.passages
        if len(troubles) > _MOST_TROUBLES:
            more = len(troubles) - _MOST_TROUBLES
            troubles[_MOST_TROUBLES:] = [f"{more:,} more troubles are not listed."]
        return Added(documents, passages, unchanged, 0, tuple(troubles))

    def _part(self, place: int, total: int) -> Report:
        """What one file reports: as it is, or where there are several, as a share of all."""
        if total == 1:
            return self._report

        def report(_message: str, fraction: float | None) -> None:
            # One message throughout, so that the time left is that of all files.
            self._report(f"Adding {total:,} documents", (place + (fraction or 0.0)) / total)

        return report

    def _source(self, path: Path, name: str, report: Report) -> Source:
        settings = self._store.settings
        try:
            with path.open("rb") as file:
                # One byte more than is allowed says that it is too large.
                data = file.read(settings.max_document_bytes + 1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DataError(f"{name} cannot be read ({reason}); allow it, or leave it out.") from (
                error
            )
        return Source(name, data, settings, path.absolute().parent, self._read_text, report)

    def _digests(self) -> dict[str, str]:
        rows = KnowledgeDocumentRow
        with self._store.database.read() as session:
            found = session.execute(
                select(rows.name, rows.digest).where(rows.tenant == self._tenant)
            )
            return {row.name: row.digest for row in found}

    def _gone(self, root: str, names: set[str]) -> list[str]:
        """Documents that came with the folder and whose files are there no more."""
        rows = KnowledgeDocumentRow
        with self._store.database.read() as session:
            here = (rows.tenant == self._tenant, rows.root == root)
            return [
                name
                for name in session.scalars(select(rows.name).where(*here))
                if name not in names
            ]


def _is_whole(reading: Reading) -> bool:
    """Whether a second try would give nothing more: what had troubles is read again."""
    return not reading.troubles


def _mark(source: Source) -> str:
    """Changes with the file, with the pictures that it names, and with how files are read."""
    digest = hashlib.sha256(f"{VERSION} {source.read_text is not None}\n".encode())
    digest.update(source.data)
    if source.folder is not None and Path(source.name).suffix.lower() in (".jsonl", ".ndjson"):
        for line in source.data.splitlines():
            try:
                image = json.loads(line)["image"]
                found = os.stat(source.folder / image)
                digest.update(f"{image} {found.st_size} {found.st_mtime_ns}\n".encode())
            except (ValueError, KeyError, TypeError, OSError, RecursionError):
                continue
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    """Readable files below `folder`, in order; nothing hidden, and no link to a folder."""
    count = 0
    for where, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES or not path.is_file():
                continue
            count += 1
            if count > _MOST_FILES:
                raise InputError(
                    f"{folder} holds more than {_MOST_FILES:,} documents; add parts of it."
                )
            yield path
