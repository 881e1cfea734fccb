"""One engine for many clients, with the engine's own methods.

Answers are written together (`assistant.batching.scheduler`). All other work takes the model
between two steps, in turn of the clients; `client` says who asks, else it is the tenant.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from assistant.batching.load import Load
from assistant.batching.rows import Request
from assistant.batching.scheduler import Scheduler
from assistant.batching.seeing import Seeing
from assistant.closing import Closing
from assistant.engine import Answer, Constraint, EncodedImage, Engine, Sampling, Stream, Turn
from assistant.engine.adapters import Adapter
from assistant.engine.lock import client
from assistant.engine.values import GREEDY, one_for_each
from assistant.errors import BusyError
from assistant.images import LoadedImage
from assistant.settings import Settings, get_settings

_SEEDS = 2**63

P = ParamSpec("P")
R = TypeVar("R")


def _shared(
    method: Callable[Concatenate[Engine, P], R],
) -> Callable[Concatenate[SharedEngine, P], R]:
    """A method of the engine as one call among others: counted, and in its client's turn."""

    @wraps(method)
    def run(self: SharedEngine, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._call(str(kwargs.get("tenant", ""))):
            # What it calls in turn (batches, pictures) is again the shared engine's.
            return method(self, *args, **kwargs)  # type: ignore[arg-type]

    return cast("Callable[Concatenate[SharedEngine, P], R]", run)


class SharedEngine(Closing):
    """An engine that many threads use at once; what is not here is the engine's own.

    Args:
        engine: nobody else should ask it for answers meanwhile, or they take turns.
        settings: for ``batch_size`` and ``queue_size``.

    Attributes:
        engine: the one that it stands in front of.
    """

    def __init__(self, engine: Engine, *, settings: Settings | None = None) -> None:
        settings = settings or get_settings()
        self.engine = engine
        self._scheduler = Scheduler(engine, settings.batch_size, settings.queue_size)
        self._seeing = Seeing(engine)
        self._most_calls = settings.queue_size
        self._calls = 0
        self._inside = threading.local()
        self._guard = threading.Lock()
        self._closed = False
        # Its thread must end before Python does, and with the last who might ask.
        self._end = weakref.finalize(self, self._scheduler.stop)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "engine" not in self.__dict__:  # while it is copied
            raise AttributeError(name)
        return getattr(self.engine, name)

    @property
    def adapter(self) -> str | None:
        """The adapter that answers where none is given."""
        return self.engine.adapter

    @adapter.setter
    def adapter(self, name: str | None) -> None:
        self.engine.adapter = name

    # --- answers

    def stream(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        constraint: Constraint | None = None,
    ) -> Stream:
        """As `Engine.stream`; the answer is written together with those of others.

        Raises:
            InputError: as for `Engine.stream`.
            BusyError: too many wait already, or the engine is closed.
        """
        request = self._request(turns, images, sampling, tenant, adapter, constraint)
        if sampling.beams > 1:
            return self._searched(request, turns, images, adapter)
        (row,) = self._scheduler.submit([request], inner=self._is_inside)
        return Stream.at(row.desk)

    def _request(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage],
        sampling: Sampling,
        tenant: str,
        adapter: str | None,
        constraint: Constraint | None = None,
    ) -> Request:
        chosen = self.engine.resolve(adapter)
        guide = self.engine.guide(constraint, sampling)
        turns, images = tuple(turns), tuple(images)  # the caller's may have changed afterwards
        prompt = self.engine.prompt(turns, images, chosen)
        # What has a form is for a program, which seldom asks the next question.
        goes_on = guide is None and not sampling.stop
        return Request(
            prompt,
            sampling,
            chosen,
            tenant,
            client.get() or tenant,
            guide,
            turns if goes_on else None,
            images if goes_on else (),
        )

    def _searched(
        self,
        request: Request,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage],
        adapter: str | None,
    ) -> Stream:
        """Beam search has no words before its end."""
        turns, images = tuple(turns), tuple(images)

        def run(put: Callable[[str], None], _cancelled: threading.Event) -> Answer:
            with self._call(request.client):
                answer = self.engine.generate(
                    turns, images, sampling=request.sampling, adapter=adapter
                )
            put(answer.text)
            return answer

        return Stream(run)

    def generate(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        constraint: Constraint | None = None,
    ) -> Answer:
        """As `Engine.generate`; raises as `stream` does."""
        with self.stream(
            turns,
            images,
            sampling=sampling,
            tenant=tenant,
            adapter=adapter,
            constraint=constraint,
        ) as stream:
            return _whole(stream)

    def generate_batch(
        self,
        conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]],
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        adapters: Sequence[str | None] | None = None,
    ) -> list[Answer]:
        """As `Engine.generate_batch`, each answer in its client's turn; raises as `stream` does.

        With a seed, each conversation draws by a seed of its own, the first one by the one given.
        """
        named = one_for_each(conversations, adapter, adapters)
        if sampling.beams > 1:
            with self._call(tenant):  # one after the other: others have the model in between
                return [
                    self.engine.generate(turns, images, sampling=sampling, adapter=name)
                    for (turns, images), name in zip(conversations, named, strict=True)
                ]
        requests = [
            self._request(turns, images, _seeded(sampling, number), tenant, name)
            for number, ((turns, images), name) in enumerate(zip(conversations, named, strict=True))
        ]
        if not requests:
            return []
        rows = self._scheduler.submit(requests, inner=self._is_inside)
        streams = [Stream.at(row.desk) for row in rows]
        try:
            return [_whole(stream) for stream in streams]
        finally:
            for stream in streams:
                stream.close()

    # --- pictures

    def encode_anew(
        self, images: Sequence[LoadedImage], *, adapter: str | Adapter | None = None
    ) -> list[EncodedImage]:
        """As `Engine.encode_anew`, together with the pictures that others give at the same time."""
        with self._call(""):
            return self._seeing.encode(images, self.engine.resolve(adapter))

    encode_image = _shared(Engine.encode_image)
    encode_images = _shared(Engine.encode_images)
    evidence = _shared(Engine.evidence)
    chances = _shared(Engine.chances)
    search = _shared(Engine.search)
    draw_ids = _shared(Engine.draw_ids)
    describe = _shared(Engine.describe)
    candidates = _shared(Engine.candidates)
    label = _shared(Engine.label)
    label_scores = _shared(Engine.label_scores)
    recognise = _shared(Engine.recognise)
    look = _shared(Engine.look)

    # --- how it goes

    def load(self) -> Load:
        """What it does now, and what it has done."""
        return replace(self._scheduler.load(), working=self._calls)

    def close(self, grace_s: float = 20.0) -> None:
        """Take nothing new; what runs may end within ``grace_s`` seconds, the rest is cancelled.

        Requests that still wait then are told to ask again. The engine itself stays as it is.
        """
        self._closed = True
        self._scheduler.take_no_more()
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            now = self.load()
            if not (now.running or now.waiting or now.working):
                break
            time.sleep(0.01)
        self._scheduler.stop()

    @property
    def _is_inside(self) -> bool:
        return getattr(self._inside, "depth", 0) > 0

    @contextmanager
    def _call(self, who: str) -> Iterator[None]:
        """A call that is no answer, or the part of one; bounded as the queue is."""
        if self._is_inside:
            yield
            return
        with self._guard:
            if self._closed:
                raise BusyError("The server is being stopped; ask again in a moment.", 5.0)
            if self._calls >= self._most_calls:
                self._scheduler.figures.refused += 1
                raise BusyError("Too many requests wait already; ask again in a second.", 1.0)
            self._calls += 1
        token = client.set(client.get() or who)
        self._inside.depth = 1
        try:
            yield
        finally:
            self._inside.depth = 0
            client.reset(token)
            with self._guard:
                self._calls -= 1


def _whole(stream: Stream) -> Answer:
    for _ in stream:
        pass
    assert stream.answer is not None
    return stream.answer


def _seeded(sampling: Sampling, number: int) -> Sampling:
    """The sampling of one conversation of a batch."""
    if sampling.seed is None or not number:
        return sampling
    return replace(sampling, seed=(sampling.seed + number + _SEEDS) % (2 * _SEEDS) - _SEEDS)
