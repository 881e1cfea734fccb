"""Answers in JSON of a schema, as `ChatLlava.with_structured_output` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from assistant.errors import InputError

ANY_OBJECT: dict[str, Any] = {"type": "object"}


def json_schema(schema: Any) -> dict[str, Any]:
    """The JSON schema of a Pydantic class, a TypedDict, a function's or a schema's own form.

    Raises:
        InputError: it is none of these.
    """
    if schema is None:
        return ANY_OBJECT
    try:
        found: dict[str, Any] = convert_to_json_schema(schema)
    except (ValueError, TypeError) as error:
        if isinstance(schema, dict) and ("properties" in schema or "type" in schema):
            return schema  # one without a title
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"This schema cannot be used ({reason}); give a Pydantic class, a TypedDict, or a JSON "
            "schema with a title."
        ) from error
    return found


def parsed(
    llm: Runnable[LanguageModelInput, Any], schema: Any, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """What `llm` answers, as an object of the schema; with ``include_raw`` beside the message."""
    parser: Runnable[Any, Any] = JsonOutputParser()
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        parser = PydanticOutputParser(pydantic_object=schema)
    if not include_raw:
        return llm | parser
    found = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=llm) | found.with_fallbacks([failed], exception_key="parsing_error")


def wanted_form(options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema that a call's options hold an answer to; None: it may be any words.

    It comes as ``response_schema``, or as OpenAI's ``response_format``, which agents bind.

    Raises:
        InputError: a format that is not known.
    """
    schema = options.get("response_schema")
    if schema is not None:
        return dict(schema)
    form = options.get("response_format")
    if form is None:
        return None
    kind = form.get("type") if isinstance(form, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return ANY_OBJECT
    inner = form.get("json_schema") if isinstance(form, Mapping) else None
    if kind == "json_schema" and isinstance(inner, Mapping):
        return dict(inner.get("schema") or ANY_OBJECT)
    raise InputError(
        "response_format is none that is known; give text, json_object, or json_schema with a "
        "schema."
    )
