"""Pictures that several clients give at once are encoded in one pass of the vision tower."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assistant.engine.adapters import Adapter
from assistant.engine.holder import Holder
from assistant.engine.lock import client
from assistant.engine.values import EncodedImage
from assistant.images import LoadedImage

_ROWS: Final = 4  # pictures in one pass: everybody else waits for it


@dataclass(eq=False)
class _Wish:
    """A picture to be encoded, and what came of it."""

    picture: LoadedImage
    seen: EncodedImage | None = None
    failure: Exception | None = None

    @property
    def met(self) -> bool:
        return self.seen is not None or self.failure is not None


class Seeing:
    """Encodes pictures, those that wait for the same eyes together, in turn of their clients.

    Args:
        engine: it holds the model.
    """

    def __init__(self, engine: Holder) -> None:
        self._engine = engine
        # Of each pair of eyes, by client; the next client first.
        self._wishes: dict[str, OrderedDict[str, deque[_Wish]]] = {}
        self._guard = threading.Lock()

    def encode(self, pictures: Sequence[LoadedImage], adapter: Adapter) -> list[EncodedImage]:
        """Encode pictures as an adapter sees them; whoever has the model encodes for all."""
        eyes, who = adapter.eyes.revision, client.get()
        mine = [_Wish(picture) for picture in pictures]
        with self._guard:
            lines = self._wishes.setdefault(eyes, OrderedDict())
            lines.setdefault(who, deque()).extend(mine)
        try:
            while not all(wish.met for wish in mine):
                with self._engine.lock:
                    if not all(wish.met for wish in mine):
                        self._pass(adapter)
        finally:
            self._forget(eyes, who, mine)
        found = []
        for wish in mine:
            if wish.failure is not None:
                raise wish.failure
            assert wish.seen is not None
            found.append(wish.seen)
        return found

    def _pass(self, adapter: Adapter) -> None:
        """One pass of what waits; the caller holds the model."""
        wishes = self._next(adapter.eyes.revision)
        try:
            seen = self._engine.encode_anew([wish.picture for wish in wishes], adapter=adapter)
        except Exception as error:
            if len(wishes) == 1:
                wishes[0].failure = error
                return
            for wish in wishes:  # whose fault it is shows when each is encoded alone
                try:
                    (wish.seen,) = self._engine.encode_anew([wish.picture], adapter=adapter)
                except Exception as own:
                    wish.failure = own
        else:
            for wish, each in zip(wishes, seen, strict=True):
                wish.seen = each

    def _next(self, eyes: str) -> list[_Wish]:
        """A picture of each client in turn."""
        found: list[_Wish] = []
        with self._guard:
            lines = self._wishes[eyes]
            while lines and len(found) < _ROWS:
                who, line = lines.popitem(last=False)
                found.append(line.popleft())
                if line:
                    lines[who] = line
        return found

    def _forget(self, eyes: str, who: str, wishes: Sequence[_Wish]) -> None:
        """Whoever gives up wants nothing any more."""
        with self._guard:
            lines = self._wishes.get(eyes)
            if lines is None:
                return
            line = lines.get(who)
            if line is not None:
                for wish in wishes:
                    if wish in line:
                        line.remove(wish)
                if not line:
                    del lines[who]
            if not lines:
                del self._wishes[eyes]
