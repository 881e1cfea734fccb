"""What all routes share: one engine, one store, and each tenant's desk, agent and knowledge.

    with Service.open(settings) as service:      # the model is loaded meanwhile
        app = create_app(service)

The model is loaded in the background: until it is there, `engine` raises `NotReadyError`, and what
needs no model is answered already.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, TypeVar

from assistant.api.errors import NotReadyError
from assistant.api.metrics import Metrics
from assistant.api.watch import WatchedEngine
from assistant.closing import Closing
from assistant.errors import BusyError, SightdeskError
from assistant.settings import Settings, get_settings
from assistant.store import Store

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from assistant.agent import Agent
    from assistant.agent.checkpoints import Checkpoints
    from assistant.embedder import Embedder
    from assistant.knowledge import Knowledge
    from assistant.space import PictureEmbedder
    from assistant.tools import Desk
    from assistant.tools.gallery import Gallery

T = TypeVar("T")

MOST_TENANTS: Final = 128
"""Whose desks are open at a time; those that were not asked for longest are made anew."""

AGENT: Final = "sightdesk-agent"
"""The model's name under which the agent answers."""

GRACE_S: Final = 20.0
"""For what runs when the server is stopped."""

Report = Callable[[str, float | None], None]
_LOG = logging.getLogger(__name__)


class Service(Closing):
    """What all routes share; closed when the server ends.

    Args:
        engine: one that is loaded; None: `load` is called with the settings.
        agent_model: a chat model in place of the one that the settings name for the agent.
        embedder: in place of the one that the settings name.
        picture_embedder: likewise.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        engine: Any = None,
        agent_model: BaseChatModel | None = None,
        embedder: Embedder | None = None,
        picture_embedder: PictureEmbedder | None = None,
    ) -> None:
        self.settings, self.store = settings, store
        self.started = int(time.time())
        self.metrics = Metrics(self)
        self.trouble: str | None = None
        """Why the model could not be loaded, in a sentence."""
        self.database_seen = (float("-inf"), False)
        """When it was last asked whether the database answers, and whether it did."""
        self.adapter: str | None = None
        """Whose labels are given, see `assistant.tools.Desk`."""
        self._engine: Any = None
        self._model: Any = None
        self._agent_model, self._embedder = agent_model, embedder
        self._picture_embedder = picture_embedder
        self._loaded = threading.Event()
        self._guard = threading.RLock()
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._agents: OrderedDict[str, Agent] = OrderedDict()
        self._knowledge: OrderedDict[str, Knowledge] = OrderedDict()
        self._galleries: OrderedDict[str, Gallery] = OrderedDict()
        self._checkpoints: Checkpoints | None = None
        self._courier: Any = None
        self._seats = settings.batch_size + settings.queue_size
        self._running = 0
        self._count = threading.Lock()
        self._closed = False
        if engine is not None:
            self._take(engine)

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        engine: Any = None,
        agent_model: BaseChatModel | None = None,
        embedder: Embedder | None = None,
        picture_embedder: PictureEmbedder | None = None,
        load: bool = True,
    ) -> Service:
        """Open the store, and begin to load the model where none is given.

        Args:
            engine: an engine, or what has its methods, in place of the settings' one.
            load: begin to load the settings' one; else `load` is the caller's to call.

        Raises:
            StoreError: the store cannot be opened.
        """
        settings = settings or get_settings()
        service = cls(
            settings,
            Store.open(settings),
            engine=engine,
            agent_model=agent_model,
            embedder=embedder,
            picture_embedder=picture_embedder,
        )
        if engine is None and load:
            threading.Thread(target=service.load, name="load the model", daemon=True).start()
        if settings.webhook_url is not None:
            from assistant.webhook import Courier

            service._courier = Courier(settings).start()
        return service

    # --- the engine

    @property
    def engine(self) -> Any:
        """The engine.

        Raises:
            NotReadyError: it is still being loaded, or could not be.
        """
        if self._engine is None:
            if self.trouble is not None:
                raise NotReadyError(f"The model cannot be used: {self.trouble}", 60.0)
            raise NotReadyError("The model is still being loaded; try again in a moment.", 5.0)
        return self._engine

    def load(self, progress: Report | None = None) -> None:
        """Load the settings' model; where that fails, `trouble` says why."""
        from assistant.batching import SharedEngine
        from assistant.engines import is_elsewhere, open_engine

        try:
            engine: Any = open_engine(self.settings, progress=progress)
            if not is_elsewhere(self.settings.base):
                engine = SharedEngine(engine, settings=self.settings)
            self._take(engine)
        except SightdeskError as error:
            self.trouble = str(error)
        except Exception:
            _LOG.exception("The model could not be loaded")
            self.trouble = "it could not be loaded, and the server's log says why."
        finally:
            self._loaded.set()

    @property
    def model(self) -> Any:
        """The engine as a chat model, to be copied with the options of a request.

        Raises:
            NotReadyError: as `engine`.
        """
        engine = self.engine
        with self._guard:
            if self._model is None:
                from assistant.chat_model import ChatLlava

                self._model = ChatLlava(engine=engine, settings=self.settings)
            return self._model

    @property
    def ready(self) -> bool:
        """Whether the model is there."""
        return self._engine is not None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the model is loaded, or cannot be; whether it is."""
        self._loaded.wait(timeout_s)
        return self.ready

    def load_figures(self) -> Any:
        """What runs and waits in the engine, None where it does not say."""
        figures = getattr(self._engine, "load", None) if self.ready else None
        return figures() if callable(figures) and hasattr(self._engine, "close") else None

    @property
    def base_name(self) -> str:
        """What the base is called among the models."""
        name = str(getattr(self.engine, "name", "") or "embedded")
        return short_name(name)

    @property
    def version(self) -> str:
        """Of Sightdesk."""
        return _version()

    def fingerprint(self) -> str:
        """Changes where answers may: with the version, the base and how it is kept."""
        engine = self.engine
        parts = [_version(), self.base_name, str(getattr(engine, "quantization", ""))]
        parts.append(str(getattr(engine, "adapter", "")))
        return f"fp_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Room for one answer, which has a thread of its own.

        Raises:
            BusyError: there are as many as there may be, or the server is being stopped.
        """
        self.take_seat()
        try:
            yield
        finally:
            self.leave_seat()

    def take_seat(self) -> None:
        """As `seat`, for work that ends elsewhere."""
        with self._count:
            if self._closed:
                raise NotReadyError("The server is being stopped; ask another, or later.", 5.0)
            if self._running >= self._seats:
                raise BusyError("The server is busy; try again in a moment.", 1.0)
            self._running += 1

    def leave_seat(self) -> None:
        """Give the room back."""
        with self._count:
            self._running -= 1

    @property
    def running(self) -> int:
        """Answers that are being worked on or wait for the engine."""
        return self._running

    @property
    def seats(self) -> int:
        """How many there may be."""
        return self._seats

    # --- what belongs to a tenant

    def knowledge(self, tenant: str = "") -> Knowledge:
        """A tenant's knowledge base.

        Raises:
            SightdeskError: it cannot be opened.
        """
        from assistant.knowledge import Knowledge

        return self._kept(
            self._knowledge,
            tenant,
            lambda: Knowledge.open(
                self.settings, store=self.store, tenant=tenant, embedder=self._embedder
            ),
        )

    def desk(self, tenant: str = "") -> Desk:
        """What a tenant's tools work with.

        Raises:
            SightdeskError: its knowledge base cannot be opened.
        """
        from assistant.tools import Desk

        return self._kept(
            self._desks,
            tenant,
            lambda: Desk(
                engine=lambda: self.engine,
                store=self.store,
                knowledge=self.knowledge(tenant),
                settings=self.settings,
                tenant=tenant,
                adapter=self.adapter,
                gallery=self.gallery(tenant),
            ),
        )

    def gallery(self, tenant: str = "") -> Gallery:
        """A tenant's pictures that can be searched; nothing is loaded for it yet."""
        from assistant.tools.gallery import Gallery

        return self._kept(
            self._galleries,
            tenant,
            lambda: Gallery(self.settings, self.store, tenant, self._picture_embedder),
        )

    def agent(self, tenant: str = "") -> Agent:
        """A tenant's agent; all share one place where conversations are remembered.

        Raises:
            SightdeskError: its model or the database cannot be used.
        """
        return self._kept(self._agents, tenant, lambda: self._open_agent(tenant))

    def embedder(self) -> Embedder:
        """What texts are embedded with.

        Raises:
            WeightsError: it is not installed.
        """
        from assistant.embedder import text_embedder

        return self._embedder or text_embedder(None, self.settings)

    @property
    def embedder_name(self) -> str:
        """What the model that embeds texts is called."""
        from assistant.embedder import DEFAULT

        if self._embedder is not None:
            return self._embedder.name
        return short_name(self.settings.embedder or DEFAULT)

    def picture_embedder(self) -> PictureEmbedder:
        """What puts pictures and words into one space.

        Raises:
            SightdeskError: it is not installed, or damaged.
        """
        from assistant.space import picture_embedder

        return self._picture_embedder or picture_embedder(None, self.settings)

    def drain(self, grace_s: float = GRACE_S) -> None:
        """Take nothing new; what runs may end within `grace_s` seconds, the rest is handed back."""
        with self._count:
            self._closed = True
        close = getattr(self._engine, "close", None)
        if close is not None:
            close(grace_s)

    def close(self) -> None:
        """Take nothing new, let what runs come to its end, and give everything back."""
        self.drain()
        if self._courier is not None:
            self._courier.stop()
            self._courier = None
        with self._guard:
            self._engine = None
            if self._checkpoints is not None:
                self._checkpoints.close()
                self._checkpoints = None
            self._agents.clear()
            self._desks.clear()
            self._knowledge.clear()
            self._galleries.clear()
        self.store.close()

    # --- how

    def _kept(self, kept: OrderedDict[str, T], tenant: str, make: Callable[[], T]) -> T:
        with self._guard:
            found = kept.get(tenant)
            if found is None:
                found = kept[tenant] = make()
                # Whoever uses one that goes holds on to it; nothing of it has to be closed.
                while len(kept) > MOST_TENANTS:
                    kept.popitem(last=False)
            kept.move_to_end(tenant)
            return found

    def _open_agent(self, tenant: str) -> Agent:
        from assistant.agent import Agent, open_checkpointer
        from assistant.agent.models import open_model

        desk = self.desk(tenant)
        model = self._agent_model or open_model(desk, self.settings)
        if self._checkpoints is None:
            self._checkpoints = open_checkpointer(self.settings)
        return Agent(desk, model, self._checkpoints)

    def _take(self, engine: Any) -> None:
        with self._guard:
            if self._closed:
                return
            self._engine = WatchedEngine(engine, self.metrics.encoded)
        self._loaded.set()


def short_name(name: str) -> str:
    """A model's name without a directory's place on this machine, which is nobody's business."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] if _is_path(name) else name


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1


def _version() -> str:
    try:
        return version("sightdesk")
    except PackageNotFoundError:
        return "0"
