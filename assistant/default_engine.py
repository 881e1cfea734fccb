"""The engine that is used where none is given: one for the same settings in this process.

A chat model, the tools beside it and whatever else was made without an engine share it, since each
would take the memory of a model and seconds to load. It goes with the last that holds it.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from assistant.settings import Settings, get_settings, with_given

_loading = threading.Lock()
_engines: weakref.WeakValueDictionary[Settings, Any] = weakref.WeakValueDictionary()


def default_engine(
    settings: Settings | None = None, *, base: str | None = None, adapter: str | None = None
) -> Any:
    """The engine of these settings, loaded if nobody has it.

    Args:
        settings: `get_settings()` by default.
        base: in place of the settings'.
        adapter: in place of the settings'.

    Raises:
        SightdeskError: it cannot be loaded.
    """
    settings = with_given(settings or get_settings(), base=base, adapter=adapter)
    with _loading:
        engine = _engines.get(settings)
        if engine is None:
            from assistant.engines import open_engine

            engine = open_engine(settings)
            _engines[settings] = engine
        return engine
