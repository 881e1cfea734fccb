"""/docs and /openapi.json: what the server can be asked, on a page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import markupsafe
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response

_TEMPLATE: Final = Path(__file__).with_name("docs.html")
_STYLE: Final = Path(__file__).with_name("docs.css")
_DEEPEST: Final = 6
_SECURITY: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `sightdesk keys create`, or that of `sightdesk serve --api-key`.",
    }
}
_PUBLIC: Final = ("/healthz", "/readyz")


def install(app: FastAPI) -> None:
    """Add both paths to an app; what is added to it later is not in them."""

    @app.get("/openapi.json", include_in_schema=False)
    async def schema() -> JSONResponse:
        return JSONResponse(described(app))

    @app.get("/docs", include_in_schema=False)
    async def shown() -> Response:
        return HTMLResponse(html(described(app)), headers={"Content-Security-Policy": _policy()})

    app.openapi = lambda: described(app)  # type: ignore[method-assign]


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description of an app, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        found["components"]["securitySchemes"] = _SECURITY
        for path, methods in found["paths"].items():
            for operation in methods.values():
                # Whatever cannot be read is told with 400 here.
                operation["responses"].pop("422", None)
                if path not in _PUBLIC:
                    # A server without keys answers its own machine.
                    operation["security"] = [{"bearer": []}, {}]
        for unused in ("HTTPValidationError", "ValidationError"):
            found["components"]["schemas"].pop(unused, None)
        app.openapi_schema = found
    return app.openapi_schema


def html(schema: Mapping[str, Any]) -> str:
    """A page that shows a description."""
    components = schema["components"]["schemas"]
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "tag": (operation.get("tags") or ["Other"])[0],
            "about": operation,
            "anchor": f"{method}-{path.strip('/').replace('/', '-').replace('{', '')}".replace(
                "}", ""
            ),
            "bodies": _bodies(operation.get("requestBody", {}), components),
            "answers": {
                status: {"words": answer["description"], "bodies": _bodies(answer, components)}
                for status, answer in sorted(operation["responses"].items())
            },
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["words"] = _words
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        info=schema["info"],
        style=_style(),
        tags=list(dict.fromkeys(each["tag"] for each in operations)),
        operations=operations,
    )


def _words(text: str) -> markupsafe.Markup:
    """Text with what stands between backquotes as code."""
    escaped = str(markupsafe.escape(text or ""))
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))


def _bodies(about: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each kind of body with its fields and an example."""
    found = []
    for kind, body in about.get("content", {}).items():
        schema = body.get("schema", {})
        example = body.get("example", _example(schema, components))
        text = example if isinstance(example, str) else _json(example)
        fields = _fields(schema, components, "", 0)
        found.append({"kind": kind, "fields": fields, "example": text})
    return found


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) if value is not None else ""


def _example(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    examples = _resolved(schema, components).get("examples")
    return examples[0] if examples else None


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = components.get(name, schema) if name else schema
    return found


def _fields(
    schema: Mapping[str, Any], components: Mapping[str, Any], prefix: str, depth: int
) -> list[dict[str, Any]]:
    """The fields of an object, and of the objects in it, in the order in which they stand."""
    found: list[dict[str, Any]] = []
    if depth > _DEEPEST:
        return found
    schema = _resolved(schema, components)
    for key in ("anyOf", "oneOf"):
        for part in schema.get(key, ()):
            found += _fields(part, components, prefix, depth + 1)
    if "items" in schema:
        found += _fields(schema["items"], components, f"{prefix}[]", depth + 1)
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}.{name}".lstrip(".")
        found.append(
            {
                "name": path,
                "type": _type(part, components),
                "required": name in schema.get("required", ()),
                "words": part.get("description")
                or _resolved(part, components).get("description", ""),
            }
        )
        found += _fields(part, components, path, depth + 1)
    return list({field["name"] + field["type"]: field for field in found}.values())


def _type(schema: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    """A schema's type in a few words, with its limits."""
    plain = _resolved(schema, components)
    for key in ("anyOf", "oneOf"):
        if key in plain:
            parts = (_type(part, components) for part in plain[key])
            return " or ".join(dict.fromkeys(part for part in parts if part != "null"))
    if "enum" in plain:
        return " | ".join(json.dumps(value) for value in plain["enum"])
    if "const" in plain:
        return json.dumps(plain["const"])
    name = str(plain.get("type", "any"))
    if name == "array":
        return f"list of {_type(plain.get('items', {}), components)}"
    limits = [
        f"{sign} {plain[key]}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if key in plain and abs(plain[key]) < 2**53
    ]
    return f"{name} {', '.join(limits)}".strip()


@cache
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


@cache
def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
