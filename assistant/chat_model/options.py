"""The options of a chat model and of a call: their names, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic.fields import FieldInfo

from assistant.engine.values import Sampling
from assistant.errors import InputError

FORM_TOKENS: Final = 1_024
"""Room for an answer in JSON, which is nothing where it is cut off."""

# What LangChain's models have in common and means nothing to one that runs here.
_ELSEWHERE: Final = {"api_key", "base_url", "timeout", "max_retries", "n"}
_OWN: Final = (
    "model", "adapter", "engine", "desk", "load_image", "tenant", "max_tokens", "temperature",
    "top_p", "seed", "stop", "streaming", "settings",
)  # fmt: skip


def check_names(given: Any, fields: Mapping[str, FieldInfo]) -> None:
    """Refuse a misspelt option, which would be passed over.

    Raises:
        InputError: there is one.
    """
    known = {*fields, *(field.alias for field in fields.values()), *_ELSEWHERE}
    unknown = [name for name in given if name not in known] if isinstance(given, Mapping) else []
    if unknown:
        raise InputError(
            f"ChatLlava has no option {str(unknown[0])[:40]!r}; those that it has are "
            f"{', '.join(_OWN)} and LangChain's."
        )


def sampling(
    model: Any, stop: Sequence[str] | None, options: Mapping[str, Any], *, formed: bool
) -> Sampling:
    """How an answer is drawn: as the call says, else as the model does.

    Args:
        formed: the answer is a call or JSON.

    Raises:
        InputError: a value that cannot be.
    """

    def chosen(name: str) -> Any:
        given = options.get(name)
        return getattr(model, name) if given is None else given

    most = chosen("max_tokens")
    if formed and options.get("max_tokens") is None and "max_tokens" not in model.model_fields_set:
        most = FORM_TOKENS
    return Sampling(
        max_tokens=most,
        temperature=chosen("temperature"),
        top_p=chosen("top_p"),
        seed=chosen("seed"),
        stop=tuple(stop or model.stop or ()),
    )


def tool_choice_of(given: str | dict[str, Any] | bool | None, names: Sequence[str]) -> str:
    """A tool choice in any of the shapes that are about, as `ChatLlava` keeps it.

    Raises:
        InputError: it is none of these tools.
    """
    if given is None or given is False:
        return "auto"
    if isinstance(given, dict):
        given = str(given.get("function", given).get("name", ""))
    if given is True or given == "required":
        given = "any"
    if given not in ("auto", "any", "none", *names):
        raise InputError(
            f"There is no tool {str(given)[:40]!r} to choose; give one of: {', '.join(names)}."
        )
    return given
