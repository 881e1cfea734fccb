"""Settings: one frozen value, read from ``SIGHTDESK_*`` environment variables."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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

    desk: bool | None = None
    """Whether the support desk answers on the chat page, or the photo model; None: the desk, if
    there is anything in the knowledge base."""

    embedder: str | None = None
    """Directory or hub id of a sentence-transformers model that the knowledge is searched with;
    None means all-MiniLM-L6-v2, which comes with a package and knows English."""

    reranker: str | None = None
    """Directory or hub id of a cross-encoder that sorts what the search found; None: it is off."""

    handover_topics: Annotated[tuple[str, ...], NoDecode] = ("refunds", "injuries", "legal")
    """Topics on which a person takes over, parted by semicolons: `refunds`, `injuries` and `legal`
    are known in many languages; one of your own is ``name: word, word``."""

    handover_questions: bool = False
    """Whether a mere question about such a topic ("what is your refund policy?") goes to a person
    too; else only a case does ("I want my money back")."""

    webhook_url: str | None = Field(default=None, repr=False)
    """Where tickets are posted to, http or https; None means nowhere."""

    webhook_secret: SecretStr | None = None
    """Signs what is posted there; at least 16 characters."""

    agent_model: str = ""
    """A chat model that drives the agent in place of the embedded one, by LangChain's name for it:
    ``openai:gpt-4.1-mini``, ``ollama:llama3.2`` and so on."""

    agent_model_url: str | None = Field(default=None, repr=False)
    """Where that model is served, such as ``http://localhost:8000/v1`` of an OpenAI-compatible
    server."""

    agent_model_key: SecretStr | None = None
    """The key for it; by default the provider's own variable, such as ``OPENAI_API_KEY``, is read
    where no URL is given."""

    agent_model_images: bool | None = None
    """Whether that model is shown the photos; None: if LangChain knows that it takes them."""

    handover_after: int = Field(default=3, ge=0)
    """Questions in a row that could not be answered before a person is called; 0: never."""

    pii: Annotated[tuple[str, ...], NoDecode] = ()
    """What is blackened in customers' messages before a model reads them, parted by semicolons:
    ``email``, ``credit_card``, ``ip``, ``mac_address``, ``url``."""

    max_document_bytes: int = Field(default=64 * 2**20, gt=0)
    max_document_pages: int = Field(default=1_000, gt=0)
    max_document_chars: int = Field(default=5_000_000, gt=0)
    max_document_rows: int = Field(default=50_000, gt=0)

    @field_validator("handover_topics", "pii", mode="before")
    @classmethod
    def _parted(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(topic.strip() for topic in value.split(";") if topic.strip())

    @field_validator("pii")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = ("email", "credit_card", "ip", "mac_address", "url")
        if unknown := [kind for kind in value if kind not in known]:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _posted_to(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is not the address of a web server, such as https://host/path")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 16:
            raise ValueError("it has fewer than 16 characters")
        return value


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
