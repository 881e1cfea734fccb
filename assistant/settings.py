"""Settings: one frozen value, read from ``SIGHTDESK_*`` environment variables."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from assistant.errors import InputError

Quantize = Literal["auto", "none", "nf4", "int8", "w8"]


class Settings(BaseSettings):
    """What the product can be told by environment; every field has a working default.

    ``SIGHTDESK_CACHE_DIR=/big/disk sightdesk chat`` sets `cache_dir`, and so on.
    """

    model_config = SettingsConfigDict(env_prefix="SIGHTDESK_", frozen=True, extra="ignore")

    cache_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("sightdesk")))
    """Files that can be fetched or computed again: the composed base, vision features."""

    data_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("sightdesk")))
    """Files that belong to the user: own adapters, conversations, images."""

    database_url: str | None = Field(default=None, repr=False)
    """``postgresql://user:password@host/name`` of a server for conversations; None means SQLite in
    `data_dir`, where the photos are in either case."""

    base: str = "embedded"
    """`embedded`, a directory, or the hub id of a LLaVA-family model."""

    adapter: str | None = None
    """Adapter name or directory; None means the one that ships with the embedded base."""

    device: Literal["auto", "cpu", "cuda"] = "auto"

    quantize: Quantize = "auto"
    """How the language model is kept; `auto` is what measures best here (`sightdesk doctor`)."""

    prefix_cache_bytes: int = Field(default=128 * 2**20, ge=0)
    """For what was computed of conversations; the embedded base needs 23 kB a token."""

    max_image_bytes: int = Field(default=32 * 2**20, gt=0)
    max_image_pixels: int = Field(default=50_000_000, gt=0)
    max_image_frames: int = Field(default=1_000, gt=0)
    max_question_chars: int = Field(default=2_000, gt=0)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the environment once per process; `get_settings.cache_clear()` re-reads it.

    Raises:
        InputError: a variable holds a value that its setting does not take.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "SIGHTDESK_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InputError(f"{name} cannot be used ({first['msg']}); correct or unset it.") from error
