"""Which chat model drives the agent: the base, here or elsewhere, or any that LangChain names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel

from assistant.chat_model import ChatLlava
from assistant.engines import is_elsewhere
from assistant.errors import InputError
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.tools import Desk

TIMEOUT_S: Final = 60.0


def open_model(desk: Desk, settings: Settings) -> BaseChatModel:
    """The model of the settings; where none is named the base itself, here or elsewhere.

    Raises:
        InputError: the name is none that LangChain knows, its package or its key is missing.
    """
    if not settings.agent_model and is_elsewhere(settings.base):
        from assistant.agent.served import ServedChat

        return ServedChat.of(settings)
    if not settings.agent_model:
        return ChatLlava(
            engine=desk.loaded_engine,
            load_image=desk.load_image,
            tenant=desk.tenant,
            settings=settings,
        )
    from langchain.chat_models import init_chat_model

    options: dict[str, Any] = {"timeout": TIMEOUT_S, "max_retries": 0, "temperature": 0}
    if settings.agent_model_url:
        options["base_url"] = settings.agent_model_url
        # A server of one's own seldom asks for a key; the client does.
        options["api_key"] = "none"
    if settings.agent_model_key is not None:
        options["api_key"] = settings.agent_model_key.get_secret_value()
    try:
        model: BaseChatModel = init_chat_model(settings.agent_model, **options)
    except ImportError as error:
        raise InputError(
            f"The model {settings.agent_model!r} needs a package that is not installed; install "
            f"{error.name or 'the one that LangChain names'}, or unset SIGHTDESK_AGENT_MODEL."
        ) from error
    except Exception as error:  # each provider's client has its own
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"The model {settings.agent_model!r} cannot be used ({reason}); give a name such as "
            "openai:gpt-4.1-mini and its key, or unset SIGHTDESK_AGENT_MODEL."
        ) from error
    return model


def speaks_only_english(model: BaseChatModel) -> bool:
    """Whether it is the embedded model, which was trained on English alone."""
    return isinstance(model, ChatLlava) and (model.base or "embedded") == "embedded"


def takes_images(model: BaseChatModel, settings: Settings) -> bool:
    """Whether a model is shown pictures, and not only told of them."""
    if isinstance(model, ChatLlava):
        return False  # it opens them itself
    if settings.agent_model_images is not None:
        return settings.agent_model_images
    return bool((model.profile or {}).get("image_inputs"))
