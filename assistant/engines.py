"""The engine that the settings name: a base on this machine, or one that is served elsewhere.

Every door opens its engine here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from assistant.errors import InputError
from assistant.settings import Settings, get_settings, is_elsewhere

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.weights import Progress

__all__ = ["is_elsewhere", "open_engine", "shown_base"]


def shown_base(base: str) -> str:
    """A base as people are told of it: without the address where it is served elsewhere.

    Raises:
        InputError: it is served elsewhere, at no address that can be used.
    """
    if not is_elsewhere(base):
        return base
    from assistant.remote.address import parse

    return parse(base).name


def open_engine(
    settings: Settings | None = None,
    *,
    base: str | None = None,
    adapter: str | None = None,
    quantize: str | None = None,
    progress: Progress | None = None,
) -> Engine:
    """Open the engine of a base: `Engine`, or `RemoteEngine`, which has the methods that doors use.

    Args:
        settings: `get_settings()` by default.
        base: in place of the settings'.
        adapter: the one that answers by default, in place of the settings'.
        quantize: how a base on this machine is kept, in place of the settings'.
        progress: is told what is done.

    Raises:
        SightdeskError: see `Engine.load` and `RemoteEngine.open`.
    """
    settings = settings or get_settings()
    chosen = base or settings.base
    if not is_elsewhere(chosen):
        from assistant.engine import Engine

        return Engine.load(
            base=base, adapter=adapter, quantize=quantize, settings=settings, progress=progress
        )
    if quantize is not None:
        raise InputError("How a model is kept is settled where it is served; leave --quantize out.")
    from assistant.remote import RemoteEngine

    return cast("Engine", RemoteEngine.open(chosen, adapter, settings=settings, progress=progress))
