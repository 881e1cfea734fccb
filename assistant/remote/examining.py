"""What a server elsewhere is found to have, for `sightdesk doctor`."""

from __future__ import annotations

import time
from typing import Any, Final

from assistant.remote.address import parse
from assistant.remote.client import Client
from assistant.remote.engine import RemoteEngine
from assistant.settings import Settings

PATIENCE_S: Final = 30.0
"""For the word that the server is asked for: a model may have to be woken."""

_MOST_TOLD: Final = 20


def examine_server(settings: Settings) -> dict[str, Any]:
    """Ask the server of the settings' base for its models, and its model for a word.

    Returns:
        A value for JSON: ``name``, ``server``, ``models`` (None: it has no list), ``key``, whether
        one is sent, ``first_word`` in seconds, and ``chances``: whether it tells how likely its
        words are, which makes labels surer.

    Raises:
        SightdeskError: it cannot be used; a sentence says why and what to do.
    """
    address = parse(settings.base)
    key = settings.base_key.get_secret_value() if settings.base_key is not None else ""
    client = Client(address, key, first_s=PATIENCE_S, tries=1)
    with RemoteEngine(address, settings, client=client) as engine:
        # Says what is wrong with the names, the adapter's among them.
        models = engine.check(settings.adapter or None)
        began = time.perf_counter()
        body = {
            "model": engine.model_of(settings.adapter or None),
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": 1,
        }
        told = client.complete(body)
        return {
            "name": address.name,
            "server": address.server,
            "models": models[:_MOST_TOLD] if models is not None else None,
            "key": bool(key),
            "first_word": round(time.perf_counter() - began, 2),
            "chances": bool(told.tokens),
        }
