"""Settings: one frozen value, read from ``SIGHTDESK_*`` environment variables."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from assistant.errors import InputError

Quantize = Literal["auto", "none", "nf4", "int8", "w8"]

ELSEWHERE: Final = "openai:"
"""Begins the name of a base that an OpenAI-compatible server has: ``openai:MODEL@URL``."""


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
    """`embedded`, a directory, the hub id of a LLaVA-family model, or ``openai:MODEL@URL``: a model
    of an OpenAI-compatible server, such as ``openai:llava-1.5-7b@http://localhost:8000/v1``."""

    base_key: SecretStr | None = None
    """The key for that server, if it asks for one."""

    base_timeout: float = Field(default=120.0, gt=0, le=3_600)
    """Seconds that it may take until the first word of an answer, its queue included."""

    base_parallel: int = Field(default=16, ge=1, le=1_024)
    """Questions that it is asked at the same time; more wait here."""

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

    picture_embedder: str | None = None
    """Directory or hub id of a CLIP-like model that pictures are found with, such as
    ``clip-ViT-B-32``, or a directory of ``sightdesk adapters train-space``; None means the one that
    ships."""

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

    agent_adapter: str = Field(default="agent", min_length=1)
    """Name or directory of the adapter with which the embedded model runs the desk; one of your own
    is made by ``sightdesk adapters train-agent``."""

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

    batch_size: int = Field(default=32, ge=1, le=256)
    """Answers that the server writes at once."""

    queue_size: int = Field(default=64, ge=1, le=100_000)
    """Requests that may wait for the model; who comes then is told to ask again later."""

    widget_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web sites that may show the chat widget, parted by semicolons: ``https://shop.example``, or
    ``https://shop.example=acme`` for the tenant ``acme``; the server's own pages always may."""

    widget_secret: SecretStr | None = None
    """Signs the tokens of the widget's visitors, at least 32 characters; None means one that is
    made once and kept in `data_dir`."""

    api_key: SecretStr | None = None
    """A key for `sightdesk serve`, beside those of `sightdesk keys`; its data is that of the tenant
    with the empty name, which the chat page shows too."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web pages that may call the server from a browser, parted by semicolons:
    ``https://shop.example; https://www.shop.example``; none by default."""

    max_body_bytes: int = Field(default=64 * 2**20, gt=0)
    """Of one request to the server; a picture grows by a third on its way into JSON."""

    audit: Literal["file", "stderr", "off"] = "file"
    """Where the server notes who asked what kind of thing, without a word of what was said: files
    in `data_dir` that are rotated, or the standard error."""

    fetch_urls: bool = False
    """Whether pictures may be given by their address on the web, which the server then calls."""

    fetch_ports: Annotated[tuple[int, ...], NoDecode] = (80, 443)
    """Ports that are called for that, parted by semicolons."""

    fetch_seconds: float = Field(default=10.0, gt=0, le=120)
    """For one picture, from the name's look-up to the last byte."""

    max_document_bytes: int = Field(default=64 * 2**20, gt=0)
    max_document_pages: int = Field(default=1_000, gt=0)
    max_document_chars: int = Field(default=5_000_000, gt=0)
    max_document_rows: int = Field(default=50_000, gt=0)

    @field_validator("handover_topics", "pii", "allowed_origins", "fetch_ports", mode="before")
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

    @field_validator("widget_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(";") if part.strip())
        for text in value:
            if not re.fullmatch(r"https?://[^\s/?#@=\\]+(=[^\s=/]+)?", text):
                raise ValueError(f"{text[:80]!r} is no origin such as https://shop.example")
        return tuple(text.lower() if "=" not in text else text for text in value)

    @field_validator("widget_secret")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 32:
            raise ValueError("it has fewer than 32 characters")
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        text = value.get_secret_value()
        if len(text) > 500 or not all("!" <= letter <= "~" for letter in text):
            raise ValueError("a key has up to 500 letters, digits and marks of ASCII, no spaces")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _exact(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_origin(each) for each in value))

    @field_validator("fetch_ports")
    @classmethod
    def _ports(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not all(0 < port < 2**16 for port in value):
            raise ValueError("a port is a number from 1 to 65535")
        return value

    @field_validator("base_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value is not None else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("it holds signs that no key has")
        return SecretStr(key) if key else None

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


def _origin(text: str) -> str:
    """An origin as browsers write it in their header: small letters, no port that goes without.

    Raises:
        ValueError: it is none, or one for all, which would let any page in.
    """
    parts = urlsplit(text.lower().removesuffix("/"))
    host, port = parts.hostname, parts.port
    bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not host or not bare or "*" in host:
        raise ValueError(f"{text!r} is no origin; write each as https://host or https://host:port")
    name = f"[{host}]" if ":" in host else host
    usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}" if usual else f"{parts.scheme}://{name}:{port}"


def with_given(settings: Settings, **given: Any) -> Settings:
    """The settings with what was given in their place; None is what was not."""
    return settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def is_elsewhere(base: str) -> bool:
    """Whether a base is a model of another server."""
    return base.strip().lower().startswith(ELSEWHERE)


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
