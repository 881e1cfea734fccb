"""What `RemoteEngine` holds: the server's address and models, and pictures as they are sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assistant.adapter_files import find_adapter, known_adapters
from assistant.closing import Closing
from assistant.engine.caches import ImageCache
from assistant.engine.values import EncodedImage
from assistant.errors import AdapterError, InputError, RemoteError, SightdeskError
from assistant.images import LoadedImage
from assistant.remote.address import Address
from assistant.remote.client import Client
from assistant.remote.pictures import HeldImage, hold
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.batching.load import Load

MODELS_S: Final = 60.0
"""How long the server's list of models is believed."""

MOST_MODELS: Final = 200

_IMAGE_BYTES: Final = 64 * 2**20
_OWNER: Final = "sightdesk"  # as this project's own server signs its models


class NotElsewhere(InputError, AttributeError):
    """What only a model on this machine can do; `hasattr` says so beforehand."""


@dataclass(frozen=True)
class RemoteAdapter:
    """A model of the server: the base itself, or one with an adapter.

    Attributes:
        name: what the request's ``model`` is.
        labels: label to coarse label, of the adapter of this name that is installed here.
    """

    name: str
    labels: dict[str, str] = field(default_factory=dict)


class RemoteHolder(Closing):
    """A model of an OpenAI-compatible server, and the others that are its adapters.

    Args:
        address: of the server and its model.
        settings: key, time limit and number of requests at a time are `base_…`.
        adapter: the one that answers where none is given.
        client: in place of the settings'.

    Attributes:
        name: of the base.
        adapter: as given; it may be set to another one's name.
        quantization: none is known.
    """

    def __init__(
        self,
        address: Address,
        settings: Settings | None = None,
        *,
        adapter: str | None = None,
        client: Client | None = None,
    ) -> None:
        self.address, self.settings = address, settings or get_settings()
        key = self.settings.base_key
        self.client = client or Client(
            address,
            key.get_secret_value() if key is not None else "",
            first_s=self.settings.base_timeout,
            parallel=self.settings.base_parallel,
        )
        self.name = address.name
        self.adapter = adapter
        self.quantization = "none"
        self._images = ImageCache(_IMAGE_BYTES)
        self._listed: tuple[float, list[str] | None] | None = None
        self._guard = threading.Lock()

    def check(self, adapter: str | None = None) -> list[str] | None:
        """Whether the server is there and has base and adapter; its models, None: it has no list.

        Raises:
            RemoteError: it is down, asks for a key, or has no such model.
            AdapterError: it has no such adapter.
        """
        known = self.models(fresh=True)
        if known is not None and self.address.model not in known:
            raise RemoteError(
                f"The model server at {self.address.server} has no model "
                f"{self.address.model!r}, but {_some(known)}; correct SIGHTDESK_BASE."
            )
        if adapter is not None:
            self.model_of(adapter)
        return known

    def close(self, grace_s: float = 0.0) -> None:
        """Give the connections back; what runs is given up after `grace_s` seconds."""
        until = time.monotonic() + grace_s
        while self.client.busy and time.monotonic() < until:
            time.sleep(0.02)
        self.client.close()

    def load(self) -> Load:
        """What is asked of the server now, and what was since this began."""
        return self.client.figures()

    # --- adapters

    def models(self, *, fresh: bool = False) -> list[str] | None:
        """Names of the server's models; None where it has no list.

        Args:
            fresh: ask, also where it was asked within `MODELS_S`.

        Raises:
            RemoteError: it is down, or asks for a key.
        """
        with self._guard:
            listed = self._listed
        if not fresh and listed is not None and time.monotonic() - listed[0] < MODELS_S:
            return listed[1]
        found = self.client.models()
        names = _names(found, self.address.model) if found is not None else None
        with self._guard:
            self._listed = time.monotonic(), names
        return names

    @property
    def adapters(self) -> list[str]:
        """Names of those that are known to be ready, the base first."""
        return self.choices()

    @property
    def ground(self) -> RemoteAdapter:
        """The base itself."""
        name = self.address.model
        return RemoteAdapter(name, own_labels(name, self.settings))

    @property
    def labels(self) -> dict[str, str]:
        """Label to coarse label of the default adapter."""
        return self.resolve(None).labels

    def resolve(self, adapter: str | RemoteAdapter | None) -> RemoteAdapter:
        """The adapter of this name; None is the default.

        Raises:
            AdapterError: the server has none.
        """
        if isinstance(adapter, RemoteAdapter):
            return adapter
        name = self.model_of(adapter)
        return RemoteAdapter(name, own_labels(name, self.settings))

    def model_of(self, adapter: str | RemoteAdapter | None) -> str:
        """What a request's ``model`` is for an adapter.

        Raises:
            AdapterError: as `resolve`.
        """
        name = adapter.name if isinstance(adapter, RemoteAdapter) else adapter or self.adapter
        if name is None or name in (self.name, self.address.model):
            return self.address.model
        known = self.models()
        if known is not None and name not in known:
            known = self.models(fresh=True) or known
            if name not in known:
                raise AdapterError(
                    f"The model server at {self.address.server} has no adapter "
                    f"{str(name)[:100]!r}; serve it there, or choose one of: {_some(known)}."
                )
        return name

    def add_adapter(self, adapter: str) -> str:
        """The name of an adapter that the server has.

        Raises:
            AdapterError: it has none; adapters are added where they are served.
        """
        return self.model_of(str(adapter))

    def drop_adapter(self, name: str) -> None:
        """Let go of an adapter: the base answers where it was the default.

        Raises:
            InputError: it is the base.
        """
        if name == self.address.model:
            raise InputError(f"{name!r} is the base itself; it cannot be dropped.")
        if self.adapter == name:
            self.adapter = None

    def choices(self) -> list[str]:
        """Names of all adapters to choose from, the base first; the base alone while it is down."""
        try:
            return self.models() or [self.address.model]
        except SightdeskError:
            return [self.address.model]

    def has(self, adapter: str) -> bool:
        """Whether an adapter of this name can be used here."""
        return adapter in self.choices()

    def fits(self, image: EncodedImage, adapter: str | None = None) -> bool:
        """Whether a picture is one that can be sent."""
        return isinstance(image, HeldImage)

    # --- pictures

    def encode_image(
        self, image: LoadedImage, *, tenant: str = "", adapter: Any = None
    ) -> EncodedImage:
        """A picture as it is sent."""
        return self.encode_images([image], tenant=tenant, adapter=adapter)[0]

    def encode_images(
        self, images: Sequence[LoadedImage], *, tenant: str = "", adapter: Any = None
    ) -> list[EncodedImage]:
        """Pictures as they are sent; the server encodes them when it is asked."""
        scope = "", tenant
        known: dict[str, EncodedImage] = self._images.get(scope, [image.id for image in images])
        for image in images:
            if image.id not in known:
                known[image.id] = held = hold(image)
                self._images.put(scope, held)
        return [known[image.id] for image in images]

    def encode_anew(
        self, images: Sequence[LoadedImage], *, adapter: Any = None
    ) -> list[EncodedImage]:
        """The same without keeping them."""
        return [hold(image) for image in images]

    def evidence(self, image: EncodedImage) -> None:
        """What the encoder sees by itself: a server does not say."""

    @property
    def look(self) -> Any:
        """Not there: where a model looked cannot be told from outside.

        Raises:
            NotElsewhere: always.
        """
        raise NotElsewhere(
            f"Where {self.name} looked cannot be seen from here; use a base on this machine."
        )

    def forget(self, tenant: str | None = None) -> None:
        """Drop the pictures that are held for a tenant, or for all."""
        self._images.forget(tenant)


def _names(found: Sequence[dict[str, Any]], base: str) -> list[str]:
    """The base, and those of the server's models that stand for an adapter of it."""
    named = [each for each in found if isinstance(each.get("id"), str) and each["id"]]
    ids = [str(each["id"]) for each in named]
    # vLLM and this project's own server say of an adapter which model it belongs to; most others
    # say nothing. What belongs to none is something else: an agent, a model of vectors.
    says = any(isinstance(e.get("parent"), str) or e.get("owned_by") == _OWNER for e in named)
    if says and base in ids:
        ids = [each["id"] for each in named if each["id"] == base or each.get("parent") == base]
    ids = list(dict.fromkeys(ids))
    first = [base] if base in ids else []
    return (first + [name for name in ids if name != base])[:MOST_MODELS]


def own_labels(name: str, settings: Settings) -> dict[str, str]:
    """Labels of the adapter of this name that is installed here; none where there is none."""
    try:
        # Never by a path: a server's models may be called anything.
        known = name in known_adapters(settings)
        return dict(find_adapter(name, settings).labels) if known else {}
    except AdapterError:
        return {}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:10]) or "none"
    return f"{shown} …" if len(names) > 10 else shown
