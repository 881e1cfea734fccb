"""Who answers: the engine of a chat model, its adapter, and what they are called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from assistant.adapter_files import find_adapter, is_number, known_adapters
from assistant.chat_model.desk_form import UNASKED_FROM, UNKNOWN_FROM
from assistant.default_engine import default_engine
from assistant.desk_prompts import ToolLine, decision_system
from assistant.engine.values import Turn
from assistant.errors import AdapterError, WeightsError
from assistant.settings import Settings, is_elsewhere

AGENT_ADAPTER: Final = "agent"
"""The adapter that the embedded model runs the desk with."""

_EMBEDDED: Final = "embedded"
_CHARS_A_TOKEN: Final = 4
_KEPT: Final = 4  # engines that calls have named


@dataclass(frozen=True)
class Voice:
    """An engine as a call asks it.

    Attributes:
        engine: loaded.
        adapter: who answers; None: the engine's default.
        name: what answers are said to be of.
    """

    engine: Any
    adapter: str | None
    name: str

    def runs_desk_with(self, agent_adapter: str | None) -> bool:
        """Whether it is the embedded base, with the adapter that was trained to decide."""
        if self.engine.name != _EMBEDDED or agent_adapter is None:
            return False
        try:
            self.engine.resolve(agent_adapter)
        except (AdapterError, WeightsError):
            return False
        return True

    def token_ids(self, text: str) -> list[int]:
        """The tokens of a text; as many as they may be, where the engine has no tokenizer here."""
        tokenizer = getattr(self.engine, "tokenizer", None)
        if tokenizer is None:
            return list(range(-(-len(text) // _CHARS_A_TOKEN)))
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids


class Voices:
    """The engines of one chat model and its copies; may be used from several threads."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._given: tuple[Any, Any] | None = None  # what was given, and the engine that it is
        self._own: dict[tuple[Any, ...], Voice] = {}
        self._doubts: dict[str | None, tuple[float, float]] = {}
        self._desk: Turn | None = None

    def share_desk(self, tools: Sequence[ToolLine]) -> None:
        """Note tools that are the product's own, and no secret of who asks; see `tell_desk`."""
        self._desk = Turn("system", decision_system(tools))

    def tell_desk(self, engine: Any, agent_adapter: str | None) -> None:
        """Tell an engine of the first turn that all who ask at the desk have in common, if any."""
        share = getattr(engine, "share_beginning", None)  # one elsewhere has a cache of its own
        if self._desk is not None and share is not None:
            share([self._desk], adapter=agent_adapter)

    def known(self, given: Any) -> Any:
        """The engine, if it is there already; None: it would have to be loaded."""
        if given is not None and hasattr(given, "stream"):
            return given
        return self._given[1] if self._given is not None and self._given[0] == given else None

    def own(self, given: Any, base: str | None, adapter: str | None, settings: Settings) -> Voice:
        """The voice of a model that was made with these, loaded the first time.

        Args:
            given: an engine, a callable that gives one, or None: by name.

        Raises:
            SightdeskError: it cannot be loaded.
        """
        key = (given, base, adapter, settings)
        with self._guard:
            if key not in self._own:
                voice = self._loaded(given, base, adapter, settings)
                if len(self._own) >= _KEPT:
                    del self._own[next(iter(self._own))]
                self._own[key] = voice
            return self._own[key]

    def other(self, given: Any, own: Callable[[], Voice], name: str, settings: Settings) -> Voice:
        """The voice that a call names: an adapter of the model's engine, or another base.

        Args:
            given: as for `own`.
            own: gives the model's voice, which is loaded only where the name may be one of its own.

        Raises:
            SightdeskError: there is none of that name.
        """
        engine = self.known(given)
        # Only a server itself knows what it has.
        if engine is None and (name in known_adapters(settings) or is_elsewhere(settings.base)):
            engine = own().engine
        if engine is not None:
            if name == engine.name:
                return Voice(engine, None, name)
            with suppress(AdapterError):
                engine.resolve(name)
                return Voice(engine, name, name)
        return self.own(None, name, None, settings)

    def doubts(
        self, agent_adapter: str | None, unknown_from: float | None, settings: Settings
    ) -> tuple[float, float]:
        """The thresholds of doubt: given, else the adapter's, else those for any."""
        if agent_adapter not in self._doubts:
            release: Any = {}
            if agent_adapter is not None:
                with suppress(AdapterError):
                    release = find_adapter(agent_adapter, settings).about.get("release") or {}
            self._doubts[agent_adapter] = (
                _chance(release.get("unknown_from"), UNKNOWN_FROM),
                _chance(release.get("unasked_from"), UNASKED_FROM),
            )
        found, unasked_from = self._doubts[agent_adapter]
        if unknown_from is not None:
            return unknown_from, min(unasked_from, unknown_from)
        return found, unasked_from

    def _loaded(
        self, given: Any, base: str | None, adapter: str | None, settings: Settings
    ) -> Voice:
        if base not in (None, _EMBEDDED) and base in known_adapters(settings):
            base, adapter = None, adapter or base  # it is an adapter's name
        if given is None:
            given = _by_name(base, adapter, settings)
        engine = given if hasattr(given, "stream") else self._called(given)
        return Voice(engine, adapter, adapter or base or str(engine.name))

    def _called(self, given: Any) -> Any:
        # The methods of one object are equal, and not the same.
        if self._given is None or self._given[0] != given:
            self._given = (given, given())
        return self._given[1]


def _by_name(base: str | None, adapter: str | None, settings: Settings) -> Any:
    engine = default_engine(settings, base=base)
    if adapter is not None:
        try:
            engine.resolve(adapter)
        except AdapterError:
            # One that is no mere layer on the base: an engine of its own.
            return default_engine(settings, base=base, adapter=adapter)
    return engine


def _chance(value: Any, default: float) -> float:
    """A threshold that an adapter's file gives, if it is one."""
    return float(value) if is_number(value) and 0 <= value <= 1.01 else default
