"""JSON schemas that clients give: looked at before anything is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from assistant.api.errors import ApiError

MOST_CHARS: Final = 100_000
MOST_PARTS: Final = 5_000
"""Of a schema once every reference in it is followed: each may double what it has."""

DEEPEST: Final = 100


def checked_schema(schema: dict[str, Any], param: str) -> dict[str, Any]:
    """A schema that an answer can be held to.

    Raises:
        ApiError: it is too large, refers to what is not there, or cannot be followed.
    """
    from assistant.chat_model import grammars
    from assistant.errors import SightdeskError

    try:
        if len(json.dumps(schema)) > MOST_CHARS:
            raise _unusable(f"it has more than {MOST_CHARS:,} characters", param)
        _count(schema, schema, (), 0)
        grammars.json_object(schema)
    except (SightdeskError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise _unusable(reason, param) from error
    except RecursionError as error:
        raise _unusable("it is nested too deeply", param) from error
    return schema


def _count(part: Any, root: Mapping[str, Any], within: tuple[str, ...], total: int) -> int:
    """How many parts a schema has with all references followed, those to itself once."""
    total += 1
    if total > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    if len(within) > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(part, Mapping):
        target = part.get("$ref")
        if isinstance(target, str):
            if not target.startswith("#"):
                raise ValueError(f"{target[:60]!r} is not within the schema")
            if target not in within:
                total = _count(_at(root, target), root, (*within, target), total)
        for name, value in part.items():
            if name not in ("$defs", "definitions"):
                total = _count(value, root, (*within, ""), total)
    elif isinstance(part, list):
        for value in part:
            total = _count(value, root, (*within, ""), total)
    return total


def _at(root: Mapping[str, Any], target: str) -> Any:
    found: Any = root
    for name in target.lstrip("#").strip("/").split("/"):
        if not name:
            continue
        name = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise ValueError(f"{target[:60]!r} is not in the schema")
        found = found[name]
    return found


def _unusable(reason: str, param: str) -> ApiError:
    return ApiError(
        400,
        f"The schema cannot be used ({reason}); correct it.",
        code="invalid_schema",
        param=param,
    )
