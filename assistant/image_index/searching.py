"""Searching: what was asked for as a vector and words, and pictures ranked by both.

A ranking grows as pages are asked for: the nearest hundred first, then four times as many, and so
on. What was told once keeps its place, so that no page shows again or leaves out what another has.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from assistant.errors import InputError
from assistant.image_index.filters import conditions, count_up_to, matching
from assistant.image_index.finders import Finder, Near, as_vectors
from assistant.image_index.knowing import batches
from assistant.image_index.lookup import files_of
from assistant.image_index.state import State, check_embedder, read_state
from assistant.image_index.values import Filter, Found, Results
from assistant.image_index.wording import Wording
from assistant.space import PictureEmbedder, Vectors
from assistant.store import Store
from assistant.store.image_rows import (
    ImageVectorRow,
    IndexedFileRow,
    IndexedImageRow,
)

MOST = 10_000
"""Pictures that the pages of one search show; where no more match a filter, all are compared."""

MOST_AT_ONCE = 1_000

_FIRST = 100
_STEP = 4
_DEEPEST = 25_600
"""Where so many of the nearest do not hold enough that match a filter, all that match are
compared."""

_REMEMBERED = 32
_STRIDE = 5_000


@dataclass(frozen=True, eq=False)
class Asked:
    """What is looked for; one of the two at least.

    Attributes:
        words: float32 [d] of length 1.
        picture: float32 [d] of length 1.
        weight: of the words, 0 to 1, where there are both.
        text: the words themselves.
        without: key of a picture that is left out, 0 for none.
    """

    words: Vectors | None = None
    picture: Vectors | None = None
    weight: float = 0.5
    text: str = ""
    without: int = 0

    @property
    def share(self) -> float:
        """Of the words in the whole, 0 to 1."""
        if self.picture is None:
            return 1.0
        return 0.0 if self.words is None else self.weight

    @cached_property
    def vector(self) -> Vectors:
        """Both in one, float32 [d] of length 1."""
        parts = ((self.words, self.share), (self.picture, 1 - self.share))
        mixed = sum(part * share for part, share in parts if part is not None)
        length = float(np.linalg.norm(mixed))
        return np.asarray(mixed / max(length, 1e-9), np.float32)

    def key(self) -> tuple[object, ...]:
        """Equal for what is the same question."""
        return (self.vector.tobytes(), self.text, self.share, self.without)


@dataclass
class Ranking:
    """Pictures in the order in which they are told, as far as it was asked for.

    Attributes:
        total: pictures that there are to be told.
        keys: of pictures.
        worths: what they are ordered by: cosine, and what is noted of them, in cosines.
        cosines: of the two vectors.
        depth: of the nearest, that were looked at; 0 where nothing was.
        done: whether all are told.
    """

    total: int
    keys: list[int] = field(default_factory=list)
    worths: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    depth: int = 0
    done: bool = False

    def copy(self) -> Ranking:
        """One that may be changed."""
        lists = (list(self.keys), list(self.worths), list(self.cosines))
        return Ranking(self.total, *lists, self.depth, self.done)

    def tell(self, keys: Sequence[int], worths: Vectors, cosines: Vectors, floor: float) -> None:
        """Add those that are worth `floor` at least, best first, but for those that it has."""
        order = np.argsort(-worths, kind="stable")
        places = order[worths[order] >= floor].tolist()
        if self.keys:
            known = set(self.keys)
            places = [place for place in places if keys[place] not in known]
        self.keys += [keys[place] for place in places]
        self.worths += worths[places].tolist()
        self.cosines += cosines[places].tolist()


class Search:
    """Searches one tenant's index; may be used from several threads."""

    def __init__(
        self, store: Store, tenant: str, embedder: PictureEmbedder, finder: Finder
    ) -> None:
        self.store, self.tenant, self.embedder, self.finder = store, tenant, embedder, finder
        self._rankings: OrderedDict[tuple[object, ...], Ranking] = OrderedDict()
        self._counts: OrderedDict[tuple[int, Filter], int] = OrderedDict()
        self._lock = threading.Lock()

    def page(
        self,
        asked: Asked,
        where: Filter | None,
        limit: int,
        offset: int,
        threshold: float | None,
    ) -> Results:
        """See `ImageIndex.search`."""
        if not 1 <= limit <= MOST_AT_ONCE:
            raise InputError(f"{limit:,} pictures are asked for; ask for 1 to {MOST_AT_ONCE:,}.")
        if offset < 0:
            raise InputError("A page before the first is asked for; give an offset from 0.")
        where = where or Filter()
        with self.store.database.read() as session:
            state = read_state(session, self.tenant)
            if state is None or state.vectors == 0:
                return Results()
            check_embedder(state, self.embedder)
            ranking = self._ranking(session, state, asked, where, min(offset + limit, MOST))
            if not ranking.keys:
                return Results()
            keys = ranking.keys[offset : min(offset + limit, MOST)]
            wanted = conditions(session, self.tenant, where, of_known=True) if where else ()
            files = files_of(session, keys, wanted)
            shown = list(range(offset, offset + len(keys)))
            likely = self._likelihoods(session, asked, ranking, [0, *shown])
        found = tuple(
            Found(files[key][0], ranking.cosines[place], chance, tuple(files[key][1:]))
            for key, place, chance in zip(keys, shown, likely[1:], strict=True)
            if key in files
        )
        least = self.embedder.calibration.threshold if threshold is None else threshold
        return Results(found, likely[0] < least, ranking.total, least)

    def _ranking(
        self, session: Session, state: State, asked: Asked, where: Filter, need: int
    ) -> Ranking:
        """The ranking of a question, told as far as `need`."""
        name = (state.generation, state.embedder, where, *asked.key())
        with self._lock:
            ranking = self._rankings.get(name)
        ranking = ranking or self._begin(session, state, asked, where)
        if ranking.done or len(ranking.keys) >= min(need, ranking.total):
            return ranking
        # A grown one takes its place, so that two threads do not grow the same.
        ranking = ranking.copy()
        wording = Wording(session, self.tenant, self.finder, asked.text)
        slope = max(self.embedder.calibration.words[0], 1e-3)
        wanted = conditions(session, self.tenant, where, of_known=True) if where else []
        while not ranking.done and len(ranking.keys) < min(need, ranking.total):
            self._grow(session, state, asked, where, wanted, ranking, wording, slope)
        with self._lock:
            self._rankings[name] = ranking
            self._rankings.move_to_end(name)
            while len(self._rankings) > _REMEMBERED:
                self._rankings.popitem(last=False)
        return ranking

    def _begin(self, session: Session, state: State, asked: Asked, where: Filter) -> Ranking:
        if not where:
            return Ranking(min(state.vectors - (asked.without > 0), MOST))
        name = (state.generation, where)
        with self._lock:
            count = self._counts.get(name)
        if count is None:
            count = count_up_to(session, matching(session, self.tenant, where), MOST)
        with self._lock:
            self._counts[name] = count
            while len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)
        # Of few that match, the nearest of all hold hardly any.
        return Ranking(count, depth=_DEEPEST if count < MOST else 0)

    def _grow(
        self,
        session: Session,
        state: State,
        asked: Asked,
        where: Filter,
        wanted: list[ColumnElement[bool]],
        ranking: Ranking,
        wording: Wording,
        slope: float,
    ) -> None:
        """Look further than before."""
        vector = asked.vector
        if wanted and ranking.depth >= _DEEPEST:
            near = self._among(session, vector, where)
        else:
            ranking.depth = min(max(_FIRST, ranking.depth * _STEP), max(MOST * 2, _DEEPEST))
            near = self.finder.nearest(session, state, vector, ranking.depth)
            if not near.all and not wanted and ranking.depth >= MOST * 2:
                near = Near(near.keys, near.cosines, True)
        floor = -np.inf if near.all or not len(near.keys) else float(near.cosines[-1])
        keys, cosines = near.keys.tolist(), near.cosines
        there = set(keys)
        noted = [key for key in wording.keys if key not in there] if not near.all else []
        if wanted:
            fit = (
                self._fitting(session, [*keys, *noted], wanted)
                if not near.all or (ranking.depth < _DEEPEST)
                else set(keys)
            )
            cosines = cosines[[place for place, key in enumerate(keys) if key in fit]]
            keys = [key for key in keys if key in fit]
            noted = [key for key in noted if key in fit]
        if noted:
            more, close = self._cosines(session, noted, vector)
            keys, cosines = keys + more, np.concatenate([cosines, close])
        worths = cosines
        if wording.keys and keys:
            bonus = wording.bonuses(session, keys) * np.float32(asked.share / slope)
            worths = cosines + bonus
        if asked.without in keys:
            place = keys.index(asked.without)
            del keys[place]
            cosines, worths = np.delete(cosines, place), np.delete(worths, place)
        ranking.tell(keys, worths, cosines, floor)
        ranking.done = near.all
        if ranking.done:
            ranking.total = min(ranking.total, len(ranking.keys))

    def _fitting(
        self, session: Session, keys: list[int], wanted: list[ColumnElement[bool]]
    ) -> set[int]:
        """Those of the pictures that a filter lets through."""
        files, images = IndexedFileRow, IndexedImageRow
        found: set[int] = set()
        for part in batches(keys):
            query = select(files.image_key).join(images, images.key == files.image_key)
            here = query.where(files.image_key.in_(part), *wanted)
            found.update(key for key in session.scalars(here) if key is not None)
        return found

    def _among(self, session: Session, vector: Vectors, where: Filter) -> Near:
        """The nearest of those that a filter lets through, all of them compared."""
        vectors = ImageVectorRow
        fit = matching(session, self.tenant, where)
        query = select(vectors.image_key, vectors.vector).where(vectors.image_key.in_(fit))
        keys, cosines = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for part in session.execute(query.execution_options(yield_per=_STRIDE)).partitions():
            close = as_vectors([data for _, data in part]) @ vector
            keys = np.concatenate([keys, np.array([key for key, _ in part], np.int64)])
            cosines = np.concatenate([cosines, close])
            if len(keys) > MOST + _STRIDE:
                best = np.argpartition(-cosines, MOST)[:MOST]
                keys, cosines = keys[best], cosines[best]
        order = np.lexsort((keys, -cosines))[:MOST]
        return Near(keys[order], cosines[order], True)

    def _cosines(
        self, session: Session, keys: Sequence[int], vector: Vectors
    ) -> tuple[list[int], Vectors]:
        """Pictures that have a vector, and how near each is to `vector`."""
        vectors = ImageVectorRow
        found: list[Any] = []
        for part in batches(keys):
            query = select(vectors.image_key, vectors.vector)
            found += session.execute(query.where(vectors.image_key.in_(part))).all()
        if not found:
            return [], np.zeros(0, np.float32)
        return [key for key, _ in found], as_vectors([data for _, data in found]) @ vector

    def _likelihoods(
        self, session: Session, asked: Asked, ranking: Ranking, places: Sequence[int]
    ) -> list[float]:
        """How likely it is that those at these places of a ranking are what was asked for."""
        worths = np.array([ranking.worths[place] for place in places], np.float32)
        calibration = self.embedder.calibration
        if asked.picture is None:
            chances = calibration.of_words(worths)
        elif asked.words is None:
            chances = calibration.of_pictures(worths)
        else:
            keys = [ranking.keys[place] for place in places]
            said = dict(zip(*self._cosines(session, keys, asked.words), strict=True))
            seen = dict(zip(*self._cosines(session, keys, asked.picture), strict=True))
            noted = worths - np.array([ranking.cosines[place] for place in places], np.float32)
            words = np.array([said.get(key, 0.0) for key in keys]) + noted / max(asked.share, 1e-6)
            pictures = np.array([seen.get(key, 0.0) for key in keys])
            chances = asked.share * calibration.of_words(words)
            chances = chances + (1 - asked.share) * calibration.of_pictures(pictures)
        return [float(chance) for chance in chances]
