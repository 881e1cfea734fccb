"""The forms of a model's answers: a call that parses and names real things, cited sentences, JSON.

A tool is told in the shape of OpenAI's functions, and its arguments by a JSON schema. An argument
of the format ``image-id`` takes the name of a photo that is there; a tool that needs one cannot be
called where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.json_schema import dereference_refs
from pydantic import BaseModel

from assistant import desk_prompts
from assistant.desk_prompts import ToolLine
from assistant.engine.constrained import Constraint

IMAGE_ID: Final = "image-id"
"""The format of an argument that names a picture."""

LONGEST_TEXT: Final = 240
"""Characters of an argument, where its schema sets no other limit: a model that does not find an
end must not be able to go on for ever."""

MOST_ITEMS: Final = 16
MOST_SENTENCES: Final = 6
LINE_CHARS: Final = 120

_DEEPEST: Final = 8
# Words about a schema, which say nothing of the form.
_NOTES: Final = {"title", "description", "default", "examples", "$defs", "definitions", "$schema"}
_FORMATS: Final = {"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6",
                   "uuid", "uri"}  # fmt: skip
_GUIDANCE: Final = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": True,
    "json_allow_general_unicode_escapes": False,
}
_NOTHING_FITS: Final = object()


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a model sees it.

    Attributes:
        name: how it is called.
        description: what it does.
        schema: JSON schema of its arguments, as JSON text so that this value can be a key.
    """

    name: str
    description: str
    schema: str

    @classmethod
    def of(cls, tool: Mapping[str, Any]) -> ToolSpec:
        """A tool in OpenAI's shape, ``{"type": "function", "function": {…}}``."""
        function = tool["function"]
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        plain = dereference_refs(parameters)
        return cls(function["name"], function.get("description") or "", json.dumps(plain))

    @property
    def line(self) -> ToolLine:
        """The tool in one line of the desk's prompt."""
        schema = json.loads(self.schema)
        required = set(schema.get("required", ()))
        names = schema.get("properties", {})
        arguments = tuple(name if name in required else f"{name}?" for name in names)
        first = self.description.strip().split("\n\n")[0]
        return ToolLine(self.name, desk_prompts.shortened(first, LINE_CHARS), arguments)

    def images(self) -> set[str]:
        """Names of the arguments that name pictures."""
        properties = json.loads(self.schema).get("properties", {})
        return {name for name, part in properties.items() if IMAGE_ID in json.dumps(part)}


def as_function(tool: Any) -> dict[str, Any]:
    """Any tool that LangChain takes, in OpenAI's shape.

    LangChain leaves out what a field's schema says beside type and description; which arguments
    name pictures is looked up in the tool's own schema.
    """
    function = convert_to_openai_tool(tool)
    schema = getattr(tool, "args_schema", None)
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        own = dereference_refs(schema.model_json_schema()).get("properties", {})
        parameters = function["function"].get("parameters", {})
        for name, part in parameters.get("properties", {}).items():
            if IMAGE_ID in json.dumps(own.get(name, {})):
                parameters["properties"][name] = {**own[name], **part}
    return function


@lru_cache(maxsize=64)
def decision(
    tools: tuple[ToolSpec, ...],
    photos: tuple[str, ...],
    *,
    finish: bool = True,
    say: bool = True,
) -> Constraint:
    """The next step of a desk: a call, ``answer``, or words (see `assistant.desk_prompts`).

    Args:
        photos: names that the arguments for pictures may have.
        finish: whether it may say that what is known is enough.
        say: whether it may say something instead of a call; where no tool can be called it may.
    """
    calls = _calls(tools, photos, lambda spec: f"{spec.name} ", "")
    ways = ["call"] if calls else []
    if finish:
        ways.append(json.dumps(desk_prompts.FINISH))
    if say or not ways:
        ways.append(f"{json.dumps(desk_prompts.SAY)} WORDS")
    rules = [f"start: {' | '.join(ways)}", r"WORDS: /[^\s][^\n]{0,399}/"]
    if calls:
        names = " | ".join(f"c{number}" for number in range(len(calls)))
        rules += [f"call: {json.dumps(desk_prompts.CALL)} ({names})"]
        rules += [f"c{number}: {rule}" for number, rule in enumerate(calls)]
    return Constraint("\n".join(rules))


@lru_cache(maxsize=64)
def answer(sources: int, *, unknown: bool = True) -> Constraint:
    """Sentences that each end with the numbers of existing sources, or ``unknown``.

    Args:
        sources: how many there are; without any nothing is known.
        unknown: whether it may say so.
    """
    numbers = " | ".join(f'"[{number}]"' for number in range(1, sources + 1))
    nothing = json.dumps(desk_prompts.UNKNOWN)
    rules = [f"start: {nothing}"]
    if sources:
        more = f'(" " sentence){{0,{MOST_SENTENCES - 1}}}'
        rules = [
            f"start: {nothing} | sentence {more}" if unknown else f"start: sentence {more}",
            "sentence: WORDS mark{1,3}",
            # What begins as if nothing were known would go on as nonsense.
            r"WORDS: /([^\s\[\]uU]|[uU][^n\[\]\n]|[uU]n[^k\[\]\n])[^\[\]\n]{0,398}[.!?] /",
            f"mark: {numbers}",
        ]
    return Constraint("\n".join(rules))


@lru_cache(maxsize=64)
def hermes(
    tools: tuple[ToolSpec, ...],
    photos: tuple[str, ...],
    *,
    must: bool = False,
    schema: str | None = None,
) -> Constraint | None:
    """A call in the form that many chat models learn, or any other words; None: anything.

    The form: ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``.

    Args:
        must: words are not enough.
        schema: what words must follow, as JSON text; any words without one.
    """

    def before(spec: ToolSpec) -> str:
        return f'{{"name": {json.dumps(spec.name)}, "arguments": '

    calls = _calls(tools, photos, before, "}")
    if not calls:
        return json_object(json.loads(schema)) if schema is not None else None
    rules = ["start: call" if must else "start: call | words"]
    if not must:
        words = r"/[^<](?s:.*)/" if schema is None else _object_rule(json.loads(schema))
        rules.append(f"words: {words}")
    names = " | ".join(f"c{number}" for number in range(len(calls)))
    rules += [f'call: "<tool_call>" ({names}) "</tool_call>"']
    rules += [f"c{number}: {rule}" for number, rule in enumerate(calls)]
    return Constraint("\n".join(rules))


def json_object(schema: Mapping[str, Any]) -> Constraint:
    """JSON of a schema, nothing else."""
    return Constraint(f"start: {_object_rule(schema)}")


def _object_rule(schema: Mapping[str, Any]) -> str:
    plain = _plain(dereference_refs(dict(schema)), ())
    return _json_rule({} if plain is _NOTHING_FITS else plain)


def _calls(
    tools: Sequence[ToolSpec], photos: tuple[str, ...], before: Any, behind: str
) -> list[str]:
    """A rule for each tool that can be called."""
    found = []
    for spec in tools:
        schema = _plain(json.loads(spec.schema), photos)
        if schema is _NOTHING_FITS:
            continue
        rule = f"{json.dumps(before(spec), ensure_ascii=False)} {_json_rule(schema)}"
        found.append(rule + (f" {json.dumps(behind)}" if behind else ""))
    return found


def _json_rule(schema: Any) -> str:
    """``%json`` of a schema, or of any object where the schema is one that cannot be followed."""
    from llguidance import LLMatcher

    rule = f"%json {json.dumps(schema | {'x-guidance': _GUIDANCE})}"
    if LLMatcher.validate_grammar(f"start: {rule}"):
        return f"%json {json.dumps({'type': 'object', 'x-guidance': _GUIDANCE})}"
    return rule


def _plain(schema: Any, photos: tuple[str, ...], depth: int = 0) -> Any:
    """A schema with limits, with photos in place of image ids and without notes.

    Returns:
        `_NOTHING_FITS` where an argument that must be there names a picture and there is none.
    """
    if not isinstance(schema, Mapping):
        return schema if isinstance(schema, bool) else {}
    if depth > _DEEPEST:
        return {"type": "string", "maxLength": LONGEST_TEXT}
    if _names_image(schema) and photos:
        return {"enum": list(photos)}
    if _names_image(schema):
        return _NOTHING_FITS
    found = {key: value for key, value in schema.items() if key not in _NOTES}
    if found.get("format") not in _FORMATS:
        found.pop("format", None)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in found:
            parts = [_plain(part, photos, depth + 1) for part in found[key]]
            found[key] = [part for part in parts if part is not _NOTHING_FITS]
            if not found[key]:
                return _NOTHING_FITS
    if "items" in found:
        found["items"] = _plain(found["items"], photos, depth + 1)
        if found["items"] is _NOTHING_FITS:
            return {"type": "array", "maxItems": 0}
    if found.get("type") == "array":
        found.setdefault("maxItems", MOST_ITEMS)
    if found.get("type") == "string" and not found.keys() & {"enum", "const", "pattern", "format"}:
        found.setdefault("maxLength", LONGEST_TEXT)
    if "properties" in found:
        named = {
            name: _plain(part, photos, depth + 1) for name, part in found["properties"].items()
        }
        missing = {name for name, part in named.items() if part is _NOTHING_FITS}
        if missing & set(found.get("required", ())):
            return _NOTHING_FITS
        found["properties"] = {name: part for name, part in named.items() if name not in missing}
        found.setdefault("additionalProperties", False)
    return found


def _names_image(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("format") == IMAGE_ID
