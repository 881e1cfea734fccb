"""Forms of answers for a server elsewhere.

What is JSON of a schema (`assistant.chat_model.grammars.json_object`) is asked for by the server's
own ``response_format``. Other grammars have no name that servers agree on: such an answer is
checked when it is there, as is every other, since a server may pass over what it does not know.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from assistant.engine.constrained import MOST_CHARS, Constraint
from assistant.errors import InputError

_JSON: Final = re.compile(r"start: %json (\{.*\})", re.DOTALL)
_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.DOTALL)


def response_format(constraint: Constraint) -> dict[str, Any] | None:
    """The field of a request that asks for the form; None where it is no JSON schema's."""
    schema = _schema(constraint)
    if schema is None:
        return None
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": _is_strict(schema)},
    }


def choice_format(labels: list[str]) -> dict[str, Any]:
    """The same for one of some texts, as ``{"label": …}``."""
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": labels}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "label", "schema": schema, "strict": True},
    }


def formed(text: str, constraint: Constraint, *, cut: bool) -> str | None:
    """The answer in its form, without a fence around it; None where it has not that form.

    Args:
        cut: it ran out of tokens, and has the form as far as it goes.

    Raises:
        InputError: the form itself cannot be used.
    """
    fenced = _FENCED.fullmatch(text)
    inside = [str(fenced[1]).strip()] if fenced is not None else []
    for tried in (text, text.strip(), *inside):
        if _matches(tried, constraint, cut=cut):
            return tried
    schema = _schema(constraint)
    if schema is None or cut:
        return None
    # Spaces and line breaks of its own are no other JSON.
    try:
        value = json.loads(inside[0] if inside else text.strip())
    except (ValueError, RecursionError):
        return None
    written = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return written if _matches(written, constraint, cut=False) else None


def _schema(constraint: Constraint) -> dict[str, Any] | None:
    found = _JSON.fullmatch(constraint.grammar.strip())
    if found is None:
        return None
    try:
        schema = json.loads(found[1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(schema, dict):
        return None
    schema.pop("x-guidance", None)
    return schema


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI takes a schema as strict: every object closed, every property required."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        names = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return False
        if set(names) != set(schema.get("required", ())):
            return False
    return all(_is_strict(part) for part in schema.values())


def _matches(text: str, constraint: Constraint, *, cut: bool) -> bool:
    matcher = _matcher(constraint).deep_copy()
    tokens = _bytes().tokenize_bytes(text.encode())
    if matcher.try_consume_tokens(tokens) != len(tokens):
        return False
    return cut or bool(matcher.is_accepting())


@lru_cache(maxsize=64)
def _matcher(constraint: Constraint) -> Any:
    from llguidance import LLMatcher

    if len(constraint.grammar) > MOST_CHARS:
        raise InputError(
            f"The form of the answer has {len(constraint.grammar):,} characters and the limit is "
            f"{MOST_CHARS:,}; give fewer tools, or simpler ones."
        )
    matcher = LLMatcher(_bytes(), constraint.grammar, log_level=0)
    if matcher.is_error():
        reason = " ".join(matcher.get_error().split("\n", 1)[0].split())[:200]
        raise InputError(
            f"The form of the answer cannot be used ({reason}); correct the schema or the tool."
        )
    return matcher


@lru_cache(maxsize=1)
def _bytes() -> Any:
    """A vocabulary of bytes: what a server's own is, nobody knows."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
