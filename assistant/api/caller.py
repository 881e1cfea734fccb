"""Who asks: the tenant whose data a request may see, and what it may do.

    @router.get("/v1/threads")
    def threads(caller: Caller = Depends(caller_of)): ...

`assistant.api.guard.install(app, service)` adds the middleware that checks the key before the body
is read, and puts the `Caller` into the request's state; `caller_of` only takes it from there. Which
scope a path needs is in `assistant.api.auth`, so that no route can forget it. A route tells the
audit log and the limits what it used with `note(request, model=..., prompt_tokens=...)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection


@dataclass(frozen=True)
class Caller:
    """Who asks. Everything that the request does is done with its `tenant`."""

    tenant: str
    key_id: str
    """Of the API key, for the audit log and the limits; empty where the door is open."""
    scopes: frozenset[str]
    visitor: str = ""
    """Of the widget's token; empty for API keys."""

    @property
    def name(self) -> str:
        """Names one client, for limits and for fairness in the queue."""
        return f"{self.tenant}/{self.key_id}/{self.visitor}"


async def caller_of(request: HTTPConnection) -> Caller:
    """The caller of a request that passed the guard.

    Raises:
        RuntimeError: the app was made without the guard; nothing is answered without it.
    """
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise RuntimeError("no guard is installed; call assistant.api.guard.install(app, service)")
    return caller


def note(request: HTTPConnection, **used: Any) -> None:
    """Tell the audit log and the limits what a request used, once or bit by bit.

    Args:
        used: `model`, `prompt_tokens`, `completion_tokens`, `images`, `outcome`, and nothing that
            a person wrote or a model said.
    """
    noted: dict[str, Any] = request.scope.setdefault("state", {}).setdefault("noted", {})
    noted.update(used)
