"""Sightdesk's engine: pictures in, answers out; the base of every door.

What users of the package need is here by name, and loaded when it is first used, so that to import
the package costs nothing:

    from assistant import ChatLlava, Desk, build_tools
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.agent import Agent
    from assistant.batching import SharedEngine
    from assistant.chat_model import ChatLlava, image_block
    from assistant.embeddings import TextEmbeddings
    from assistant.engine import Engine, Sampling, Turn
    from assistant.errors import SightdeskError
    from assistant.image_index import ImageIndex
    from assistant.image_retriever import ImageIndexRetriever
    from assistant.images import LoadedImage, open_image
    from assistant.knowledge import Knowledge
    from assistant.retriever import KnowledgeRetriever
    from assistant.settings import Settings, get_settings
    from assistant.space import picture_embedder
    from assistant.store import Store
    from assistant.tools import Desk, build_tools
    from assistant.vector_store import KnowledgeVectorStore

# It warns at every import that an optional kernel is not installed; users can do nothing with that.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

# How long GNU's OpenMP waits for the next product before it lets a thread sleep, in rounds of a
# loop; read when torch is loaded. Its own 300,000 take the time that other processes would need:
# beside two busy ones an answer took ten times as long. On a quiet machine this costs little.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_PLACES = {
    "Agent": "agent",
    "ChatLlava": "chat_model",
    "Desk": "tools",
    "Engine": "engine",
    "ImageIndex": "image_index",
    "ImageIndexRetriever": "image_retriever",
    "Knowledge": "knowledge",
    "KnowledgeRetriever": "retriever",
    "KnowledgeVectorStore": "vector_store",
    "LoadedImage": "images",
    "Sampling": "engine",
    "Settings": "settings",
    "SharedEngine": "batching",
    "SightdeskError": "errors",
    "Store": "store",
    "TextEmbeddings": "embeddings",
    "Turn": "engine",
    "build_tools": "tools",
    "get_settings": "settings",
    "image_block": "chat_model",
    "open_image": "images",
    "picture_embedder": "space",
}

__all__ = [
    "Agent",
    "ChatLlava",
    "Desk",
    "Engine",
    "ImageIndex",
    "ImageIndexRetriever",
    "Knowledge",
    "KnowledgeRetriever",
    "KnowledgeVectorStore",
    "LoadedImage",
    "Sampling",
    "Settings",
    "SharedEngine",
    "SightdeskError",
    "Store",
    "TextEmbeddings",
    "Turn",
    "build_tools",
    "get_settings",
    "image_block",
    "open_image",
    "picture_embedder",
]


def __getattr__(name: str) -> Any:
    """A name of `__all__`, from the module that has it (PEP 562)."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{place}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
