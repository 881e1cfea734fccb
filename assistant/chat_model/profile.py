"""What a base can do, in the words of LangChain's model profiles, told without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from langchain_core.language_models import ModelProfile

from assistant.settings import Settings

EMBEDDED_TOKENS: Final = 8_192
"""Tokens that SmolLM2-135M was trained to read at once."""

MOST_NEW_TOKENS: Final = 4_096
"""Of `assistant.engine.Sampling`."""

_LARGEST_CONFIG: Final = 4 * 2**20


def profile_of(base: str, engine: Any, settings: Settings) -> ModelProfile:
    """The profile of a base.

    Args:
        base: its name, where no engine is loaded.
        engine: a loaded one, or None.
    """
    profile = ModelProfile(
        name=base if engine is None else str(getattr(engine, "name", base)),
        open_weights=True,
        text_inputs=True,
        image_inputs=True,
        image_url_inputs=bool(getattr(settings, "fetch_urls", False)),
        pdf_inputs=True,
        audio_inputs=False,
        video_inputs=False,
        image_tool_message=True,
        pdf_tool_message=True,
        max_output_tokens=MOST_NEW_TOKENS,
        reasoning_output=False,
        text_outputs=True,
        image_outputs=False,
        audio_outputs=False,
        video_outputs=False,
        tool_calling=True,
        tool_choice=True,
        tool_call_streaming=True,
        structured_output=True,
        attachment=True,
        temperature=True,
    )
    most = room_of(base, engine)
    if most is not None:
        profile["max_input_tokens"] = most
    return profile


def room_of(base: str, engine: Any) -> int | None:
    """Tokens that a base reads at once; None where nobody here knows."""
    config = getattr(getattr(engine, "model", None), "config", None)
    if config is not None:
        return _whole(getattr(config.get_text_config(), "max_position_embeddings", None))
    if engine is not None:
        return None
    if base == "embedded":
        return EMBEDDED_TOKENS
    try:
        path = Path(base).expanduser() / "config.json"
        if path.stat().st_size > _LARGEST_CONFIG:
            return None
        known = json.loads(path.read_bytes())
        text = known.get("text_config") or known
        return _whole(text.get("max_position_embeddings"))
    except (OSError, ValueError, AttributeError):
        return None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None
