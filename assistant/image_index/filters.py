"""What a `Filter` asks for, as conditions on the tables."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session

from assistant.errors import InputError
from assistant.image_index.names import stored
from assistant.image_index.values import Filter
from assistant.store.image_rows import IndexedFileRow, IndexedFolderRow, IndexedImageRow
from assistant.store.text import one_line, storable

_ID = re.compile(r"[0-9a-f]{32}")
_MOST_LABELS = 500


def matching(session: Session, tenant: str, where: Filter) -> Select[tuple[int | None]]:
    """Keys of the pictures that a filter lets through, with as many rows as files show them.

    Raises:
        InputError: the filter contradicts itself, or names a folder that is not indexed.
    """
    files, images = IndexedFileRow, IndexedImageRow
    query: Any = select(files.image_key).where(*conditions(session, tenant, where))
    if where.labels or where.coarse_labels:
        query = query.join(images, images.key == files.image_key)
    chosen: Select[tuple[int | None]] = query
    return chosen


def conditions(
    session: Session, tenant: str, where: Filter, *, of_known: bool = False
) -> list[ColumnElement[bool]]:
    """What rows of files, joined with those of their pictures for labels, must fulfil.

    Args:
        session: a transaction.
        tenant: whose files.
        where: the filter.
        of_known: the query names pictures of the tenant by key. SQLite, which does not count,
            would rather go through all files of the tenant or of the folder.

    Raises:
        InputError: as `matching`.
    """
    check(where)
    files, images = IndexedFileRow, IndexedImageRow
    asked: list[ColumnElement[bool]] = [files.image_key.is_not(None)]
    if not of_known:
        asked.append(files.tenant == tenant)
    if where.labels:
        asked.append(images.label.in_([one_line(label) for label in where.labels]))
    if where.coarse_labels:
        asked.append(images.coarse_label.in_([one_line(each) for each in where.coarse_labels]))
    if where.folder:
        asked.append(_inside(session, tenant, where, of_known))
    if where.since is not None:
        asked.append(files.moment >= where.since)
    if where.until is not None:
        asked.append(files.moment < where.until)
    # The names of the two differ between the databases.
    if where.min_side is not None:
        asked += [files.width >= where.min_side, files.height >= where.min_side]
    if where.max_side is not None:
        asked += [files.width <= where.max_side, files.height <= where.max_side]
    if where.min_bytes is not None:
        asked.append(files.size >= where.min_bytes)
    if where.max_bytes is not None:
        asked.append(files.size <= where.max_bytes)
    return asked


def check(where: Filter) -> None:
    """Raise an `InputError` where nothing can fulfil the filter, or no database can read it."""
    for name, low, high in (
        ("date", where.since, where.until),
        ("side", where.min_side, where.max_side),
        ("size", where.min_bytes, where.max_bytes),
    ):
        if low is not None and high is not None and _later(low, high):
            raise InputError(f"The least {name} is above the greatest; exchange them.")
    for number in (where.min_side, where.max_side, where.min_bytes, where.max_bytes):
        if number is not None and not 0 <= number < 2**31 * 2**20:
            raise InputError(f"A size of {number:,} cannot be looked for; give one from 0.")
    if len(where.labels) + len(where.coarse_labels) > _MOST_LABELS:
        raise InputError(f"More than {_MOST_LABELS} labels are asked for; name fewer.")
    if where.subfolder and not where.folder:
        raise InputError("A subfolder is asked for without its folder; name that too.")


def folder_ids(session: Session, tenant: str, folder: str | Path) -> list[tuple[int, str]]:
    """Keys of the indexed folders that `folder` names, each with the part of it that is meant.

    Raises:
        InputError: there is none, neither there nor above nor below.
    """
    rows = IndexedFolderRow
    mine = select(rows.key, rows.id, rows.path).where(rows.tenant == tenant)
    text = str(folder)
    if isinstance(folder, str) and _ID.fullmatch(text):
        found = [(row.key, "") for row in session.execute(mine.where(rows.id == text))]
    else:
        try:
            wanted = stored(os.path.realpath(os.path.expanduser(text)))
        except ValueError:
            wanted = ""
        found = []
        for row in session.execute(mine):
            if row.path == wanted or _is_below(row.path, wanted):
                found.append((row.key, ""))
            elif _is_below(wanted, row.path):
                part = wanted[len(row.path) :].replace(os.sep, "/").strip("/")
                found.append((row.key, part))
    if not found:
        raise InputError(
            f"The folder {one_line(storable(text), 100)} is not indexed; index it with `sightdesk "
            "index FOLDER`, or name another."
        )
    return found


def _inside(session: Session, tenant: str, where: Filter, of_known: bool) -> ColumnElement[bool]:
    files = IndexedFileRow
    below = where.subfolder.replace("\\", "/").strip("/")
    places: list[ColumnElement[bool]] = [false()]
    for key, part in folder_ids(session, tenant, where.folder):
        prefix = "/".join(filter(None, (part, below)))
        # A sum has no index.
        mine = (files.folder_key + 0 if of_known else files.folder_key) == key
        # All that begins with "part/" lies between it and "part0", the character after "/".
        inside = (files.path >= f"{prefix}/", files.path < f"{prefix}0")
        places.append(and_(mine, *inside) if prefix else mine)
    return or_(*places)


def _is_below(path: str, above: str) -> bool:
    return bool(above) and path.startswith(above.rstrip(os.sep) + os.sep)


def _later(first: datetime | int, second: datetime | int) -> bool:
    if isinstance(first, datetime) and isinstance(second, datetime):
        return first.astimezone() > second.astimezone()
    return isinstance(first, int) and isinstance(second, int) and first > second


def count_up_to(session: Session, query: Select[tuple[int | None]], most: int) -> int:
    """How many different pictures a query of `matching` names, at most `most`."""
    few = query.distinct().limit(most).subquery()
    return int(session.scalar(select(func.count()).select_from(few)) or 0)
