"""The one engine of the server, and the one agent: opened once, whoever comes first.

It knows nothing of Streamlit. Loading the engine has a thread of its own, so that a visitor who
reloads the page meanwhile neither ends it nor starts it anew; it is used by one session at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING

from assistant.background import in_background
from assistant.engines import is_elsewhere, shown_base
from assistant.errors import SightdeskError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.agent import Agent
    from assistant.engine import Engine
    from assistant.knowledge import Knowledge
    from assistant.store import Store
    from assistant.tools.gallery import Gallery

POLL_SECONDS = 0.2
INDEXED_SIDE = 1_024
"""Pixels of an indexed picture that is shown beside an answer, at most."""
MEMORY = "agent.sqlite3"
"""Where the agent keeps conversations, as `assistant.agent.checkpoints` calls it."""


@dataclass
class EngineRoom:
    """Holds the engine, how far its loading is, and the lock that every use takes."""

    message: str = "Starting"
    fraction: float | None = None
    """Share of the loading that is done, 0 to 1; None where it is not known."""

    _loading: Future[Engine] | None = None
    _starting: Lock = field(default_factory=Lock)
    _in_use: Lock = field(default_factory=Lock)

    def get(self, report: Callable[[str, float | None], None]) -> Engine:
        """The engine, loaded by the first who asks; a failed loading may be tried again.

        Args:
            report: called every `POLL_SECONDS` with what is being done and `fraction`; may raise
                to give up waiting, which does not end the loading.

        Raises:
            Exception: what the loading raised, a SightdeskError where a person can mend it.
        """
        with self._starting:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self.message, self.fraction = "Starting", None
                # In a thread that Ctrl+C does not wait for.
                self._loading = in_background(self._load)
            loading = self._loading
        while not loading.done():
            report(self.message, self.fraction)
            wait((loading,), POLL_SECONDS)
        return loading.result()

    @property
    def ready(self) -> bool:
        """Whether `get` returns at once."""
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is None

    @contextmanager
    def turn(self, waiting: Callable[[], object]) -> Iterator[None]:
        """Hold the engine; `waiting` is called every `POLL_SECONDS` while another has it.

        One that is served elsewhere answers several at once, and is not held.
        """
        if is_elsewhere(get_settings().base):
            yield
            return
        while not self._in_use.acquire(timeout=POLL_SECONDS):
            waiting()
        try:
            yield
        finally:
            self._in_use.release()

    def _load(self) -> Engine:
        # Seconds of imports, which a page that only waits should not pay for.
        from assistant.engines import open_engine

        return open_engine(progress=self._note)

    def _note(self, message: str, fraction: float | None) -> None:
        self.message, self.fraction = message, fraction


class AgentRoom:
    """Holds the agent and its knowledge base; what could not be opened is tried again when asked.

    Args:
        engines: where the engine is.
        open_store: gives the store that all sessions share, or raises StoreError.
    """

    def __init__(self, engines: EngineRoom, open_store: Callable[[], Store]) -> None:
        self._engines, self._open_store = engines, open_store
        self._knowledge: Knowledge | None = None
        self._agent: Agent | None = None
        self._gallery: Gallery | None = None
        self._untrained: bool | None = None
        self._warmed = False
        # Two, since the page asks for the knowledge while the agent is still being opened.
        self._at_knowledge, self._at_agent = Lock(), Lock()

    def knowledge(self) -> Knowledge:
        """The knowledge base.

        Raises:
            SightdeskError: it cannot be opened.
        """
        with self._at_knowledge:
            if self._knowledge is None:
                from assistant.knowledge import Knowledge

                store = self._open_store()
                self._knowledge = Knowledge.open(store.settings, store=store)
            return self._knowledge

    def indexed_picture(self, id: str) -> bytes:
        """A picture of an indexed folder that an answer shows.

        Raises:
            SightdeskError: it is not there any more.
        """
        from assistant.tools.gallery import Gallery

        store = self._open_store()
        with self._at_knowledge:
            gallery = self._gallery or Gallery(store.settings, store)
            self._gallery = gallery = gallery.of(store.settings, store, "")
        return gallery.bytes(id, INDEXED_SIDE)

    @property
    def knows_something(self) -> bool:
        """Whether there is anything in the knowledge base that can be read."""
        try:
            return not self.knowledge().is_empty
        except SightdeskError:
            return False

    def agent(self) -> Agent:
        """The agent; it waits for the engine only when a tool or its model needs that.

        Raises:
            SightdeskError: its model cannot be used, or a database cannot be opened.
        """
        knowledge = self.knowledge()
        with self._at_agent:
            if self._agent is None:
                # Seconds of imports, see `EngineRoom`.
                from assistant.agent import Agent
                from assistant.tools import Desk

                store = self._open_store()
                desk = Desk(
                    engine=lambda: self._engines.get(_silent),
                    store=store,
                    knowledge=knowledge,
                    settings=store.settings,
                )
                # The server tells the webhook itself, also where no agent is opened.
                self._agent = Agent.open(desk, courier=False)
            return self._agent

    @property
    def opened(self) -> bool:
        """Whether `agent` returns at once."""
        return self._agent is not None

    @property
    def uses_engine(self) -> bool:
        """Whether the agent's model is the engine's own, and not one that is served elsewhere."""
        settings = get_settings()
        return not settings.agent_model and not is_elsewhere(settings.base)

    @property
    def model_name(self) -> str:
        """What drives the agent."""
        settings = get_settings()
        if settings.agent_model:
            return settings.agent_model
        return self._engines.get(_silent).name if self._engines.ready else shown_base(settings.base)

    @property
    def untrained(self) -> bool:
        """Whether the agent is driven by the embedded model without the adapter for it."""
        if self._untrained is None and self._engines.ready:
            engine = self._engines.get(_silent)
            own = self.uses_engine and engine.name == "embedded"
            self._untrained = own and not engine.has(get_settings().agent_adapter)
        return bool(self._untrained)

    def warm(self) -> None:
        """Open the agent and read the embedder in the background, so that nobody waits for it."""
        if not self._warmed:
            self._warmed = True
            Thread(target=self._warm, daemon=True).start()

    def forget(self, thread_id: str) -> None:
        """Remove what the agent remembers of a conversation, opened or not.

        Raises:
            SightdeskError: it cannot be removed.
        """
        with self._at_agent:
            agent = self._agent
        if agent is not None:
            agent.forget(thread_id)
            return
        settings = get_settings()
        if settings.database_url is None and not (settings.data_dir / MEMORY).exists():
            return
        from assistant.agent.checkpoints import open_checkpointer, thread_key

        with open_checkpointer(settings) as checkpoints:
            checkpoints.saver.delete_thread(thread_key("", thread_id))

    def close(self) -> None:
        """Give the agent's connections back."""
        with self._at_agent:
            if self._agent is not None:
                self._agent.close()
                self._agent = None

    def _warm(self) -> None:
        # Whoever asks first is told what is wrong.
        with suppress(SightdeskError):
            knowledge = self.knowledge()
            self.agent()
            knowledge.search("hello", limit=1)


def _silent(_message: str, _fraction: float | None) -> None:
    pass
