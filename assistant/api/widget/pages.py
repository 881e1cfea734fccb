"""The script that a page loads, and a page that shows it: a small grocer's shop.

The shop's page holds itself to a strict content security policy, so that whoever copies the tag can
see that it works under one.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from assistant.api.errors import not_found
from assistant.demo import SHOP
from assistant.widget import FOLDER, script

_SCRIPT_HEADERS: Final = {
    # A page may load it from anywhere; what it may do then is a question of its origin.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=300, stale-while-revalidate=86400",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# In the language of the shop's pages.
_SUGGESTIONS: Final = "How do I return something?|How much is delivery?|When are you open?"
_HOST: Final = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")
_PICTURES: Final = SHOP / "pictures"

router = APIRouter(include_in_schema=False)


@router.get("/widget.js")
async def widget_script(request: Request) -> Response:
    """The script, which browsers ask for again only where it has changed."""
    plain, packed, tag = _packed()
    headers = {**_SCRIPT_HEADERS, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    data = plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        data, headers["Content-Encoding"] = packed, "gzip"
    return Response(data, media_type="text/javascript", headers=headers)


@router.get("/widget/demo")
async def demo(request: Request, lang: str = "en", theme: str = "auto") -> Response:
    """A shop's page with the widget, and how to put it on another."""
    host = request.headers.get("host", "")
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    shown = f"{'https' if scheme == 'https' else 'http'}://{host}" if _HOST.fullmatch(host) else ""
    fields = {
        "products": _shelf(),
        "lang": "zh" if lang == "zh" else "en",
        "suggestions": "" if lang == "zh" else _SUGGESTIONS,
        "theme": theme if theme in ("light", "dark") else "auto",
        "base": html.escape(shown or "https://desk.example"),
    }
    page = (FOLDER / "demo" / "shop.html").read_text(encoding="utf-8")
    for name, value in fields.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return Response(page, media_type="text/html", headers=headers)


@router.get("/widget/demo/{name}")
async def demo_file(name: str) -> Response:
    """What the shop's page is made of."""
    kinds = {".css": "text/css", ".svg": "image/svg+xml", ".webp": "image/webp"}
    for folder in (FOLDER / "demo", _PICTURES):
        for path in folder.iterdir():
            if path.name == name and path.suffix in kinds:
                headers = {"Cache-Control": "public, max-age=300"}
                kind = kinds[path.suffix]
                return Response(path.read_bytes(), media_type=kind, headers=headers)
    raise not_found("There is no such file of the demo.")


@cache
def _packed() -> tuple[bytes, bytes, str]:
    """The script, the same in gzip, and what names its version."""
    plain = script()
    tag = f'W/"{hashlib.sha256(plain).hexdigest()[:24]}"'
    return plain, gzip.compress(plain, 9, mtime=0), tag


@cache
def _shelf() -> str:
    """The shop's products as HTML; all of them are this project's own, and escaped anyway."""
    found = []
    for line in (SHOP / "products.jsonl").read_text(encoding="utf-8").splitlines():
        product = json.loads(line)
        about = dict(each.split(": ", 1) for each in product["information"])
        picture = product["image"].rpartition("/")[2]
        found.append(
            '<li class="product">'
            f'<img src="demo/{html.escape(picture)}" alt="" width="348" height="348">'
            f"<h3>{html.escape(about['Title'])}</h3>"
            f"<p>{html.escape(about['Country and weight'])}</p>"
            f'<p class="price">{html.escape(about["Price"])}</p>'
            "</li>"
        )
    return "\n".join(found)
