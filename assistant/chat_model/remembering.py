"""LangChain's cache of answers, and pictures: what an answer is known by, and whose it is.

A cache that keeps prompts would keep every photo in base64, take a picture of an address for what
it was yesterday, and give one tenant's answers to another who names the same id. So where a cache
is set, pictures are opened first and go into the key by the hash of their pixels.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from assistant.chat_model.blocks import blocks_of
from assistant.chat_model.reading import read
from assistant.chat_model.voices import Voice
from assistant.images import LoadedImage
from assistant.settings import Settings

_opened: ContextVar[Mapping[str, LoadedImage] | None] = ContextVar("opened", default=None)
_marks: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class Remembering(BaseChatModel, ABC):
    """A chat model of this engine whose answers may be kept in LangChain's cache."""

    tenant: str = ""

    @property
    @abstractmethod
    def _settings(self) -> Settings: ...

    @abstractmethod
    def _voice(self, options: Mapping[str, Any]) -> Voice: ...

    @abstractmethod
    def _load(self, image: str) -> LoadedImage | None: ...

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """What tells this model's answers from those of others.

        LangChain's own says nothing of an engine that was given, nor of the tenant.
        """
        own = self.model_dump(exclude={"cache", "profile", "name", "tags", "metadata"})
        return key(super()._get_llm_string(stop=stop, **kwargs), own, self._voice(kwargs))

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if not is_on(self.cache):
            return super()._generate_with_cache(messages, stop, run_manager, **kwargs)
        with named(messages, self._settings, self._load) as messages:
            return super()._generate_with_cache(messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if not is_on(self.cache):
            return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)
        # Loaded here: the key, which LangChain makes on the loop, needs it.
        await asyncio.to_thread(self._voice, kwargs)
        async with anamed(messages, self._settings, self._load) as messages:
            return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)


def is_on(cache: BaseCache | bool | None) -> bool:
    """Whether answers of a model with this ``cache`` are kept."""
    return cache is not False and (isinstance(cache, BaseCache) or get_llm_cache() is not None)


def opened(image: str) -> LoadedImage | None:
    """A picture of the conversation that is being looked up."""
    return (_opened.get() or {}).get(image)


@contextmanager
def named(
    messages: Sequence[BaseMessage],
    settings: Settings,
    load: Callable[[str], LoadedImage | None],
) -> Iterator[list[BaseMessage]]:
    """The messages with every picture called by its pixels; `opened` gives them meanwhile.

    Raises:
        SightdeskError: as for `assistant.chat_model.reading.read`, or one cannot be opened.
    """
    found, pictures = _named(messages, settings, load)
    token = _opened.set(pictures)
    try:
        yield found
    finally:
        _opened.reset(token)


@asynccontextmanager
async def anamed(
    messages: Sequence[BaseMessage],
    settings: Settings,
    load: Callable[[str], LoadedImage | None],
) -> AsyncIterator[list[BaseMessage]]:
    """The same without holding up the event loop."""
    found, pictures = await asyncio.to_thread(_named, messages, settings, load)
    token = _opened.set(pictures)
    try:
        yield found
    finally:
        _opened.reset(token)


def key(by_langchain: str, own: Mapping[str, Any], voice: Voice) -> str:
    """What is kept beside a prompt: LangChain's own key, the model's options, and its engine.

    Args:
        own: the model's options, the tenant among them.
    """
    engine = voice.engine
    known = [voice.name, voice.adapter, getattr(engine, "quantization", ""), _mark(engine)]
    resolve = getattr(engine, "resolve", None)
    if resolve is not None:
        known.append(getattr(resolve(voice.adapter), "revision", ""))
    return f"{by_langchain}---{json.dumps([own, known], sort_keys=True, default=str)}"


def _mark(engine: Any) -> str:
    """Tells an engine from others; the embedded one is the same in every process."""
    if engine.name == "embedded":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("sightdesk")
        except PackageNotFoundError:
            return ""
    return _marks.setdefault(engine, uuid4().hex)


def _named(
    messages: Sequence[BaseMessage],
    settings: Settings,
    load: Callable[[str], LoadedImage | None],
) -> tuple[list[BaseMessage], dict[str, LoadedImage]]:
    found: list[BaseMessage] = []
    pictures: dict[str, LoadedImage] = {}
    for message in messages:
        kinds = [block.kind for block in blocks_of(message)]
        if "image" not in kinds:
            found.append(message)
            continue
        parts: list[Any] = []
        for kind, part in zip(kinds, message.content, strict=True):
            if kind != "image":
                parts.append(part)
                continue
            # Each on its own: they stay where they are among the words.
            read_part = read([message.model_copy(update={"content": [part]})], settings)
            (id,) = read_part.photos
            picture = read_part.loaded.get(id) or load(id)
            if picture is not None:
                pictures[picture.id] = picture
                id = picture.id
            parts.append({"type": "image", "file_id": id})
        found.append(message.model_copy(update={"content": parts}))
    return found, pictures
