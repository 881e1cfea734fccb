"""Groups of pictures that look the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assistant.image_index.finders import Finder
from assistant.image_index.finders.base import Report
from assistant.image_index.knowing import batches
from assistant.image_index.lookup import files_of
from assistant.image_index.state import State
from assistant.image_index.values import IndexedFile
from assistant.sketch import are_near
from assistant.store.image_rows import IndexedFileRow, IndexedImageRow


def near_duplicates(
    session: Session,
    state: State,
    finder: Finder,
    limit: int,
    least: float,
    report: Report,
) -> list[list[IndexedFile]]:
    """See `ImageIndex.near_duplicates`."""
    tied = _Tied()
    for first, second in finder.neighbours(session, state, least, report):
        looks = _sketches(session, np.unique(np.concatenate([first, second])))
        there = np.array([a in looks and b in looks for a, b in zip(first, second, strict=True)])
        if not there.any():
            continue
        first, second = first[there], second[there]
        near = are_near(
            np.stack([looks[key] for key in first.tolist()]),
            np.stack([looks[key] for key in second.tolist()]),
        )
        for one, other in zip(first[near].tolist(), second[near].tolist(), strict=True):
            tied.tie(one, other)
    files = IndexedFileRow
    copies = (
        select(files.image_key)
        .where(files.tenant == state.tenant, files.image_key.is_not(None))
        .group_by(files.image_key)
        .having(func.count() > 1)
    )
    for key in session.scalars(copies):
        if key is not None:
            tied.tie(key, key)
    groups = sorted(tied.groups(), key=lambda keys: (-len(keys), keys))
    found = []
    for part in batches(groups):
        members = files_of(session, [key for keys in part for key in keys])
        for keys in part:
            group = [file for key in keys for file in members.get(key, ())]
            if len(group) > 1:
                found.append(sorted(group, key=_best_first))
    return sorted(found, key=lambda group: -len(group))[:limit]


class _Tied:
    """Things that are tied to each other, directly or through others."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def tie(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        self._above[high] = low

    def groups(self) -> Iterable[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for one in sorted(self._above):
            found[self._root(one)].append(one)
        return found.values()

    def _root(self, one: int) -> int:
        above = self._above
        above.setdefault(one, one)
        while above[one] != one:
            above[one] = one = above[above[one]]
        return one


def _sketches(session: Session, keys: np.ndarray) -> dict[int, np.ndarray]:
    """Packed sketches by key, uint8 [80] each."""
    rows = IndexedImageRow
    found = {}
    for part in batches(keys.tolist()):
        for key, data in session.execute(select(rows.key, rows.sketch).where(rows.key.in_(part))):
            found[key] = np.frombuffer(data, np.uint8)
    return found


def _best_first(file: IndexedFile) -> tuple[int, int, str, str]:
    return (-file.width * file.height, -file.size, file.folder, file.path)
