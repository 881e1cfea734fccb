"""One call of a tool: whose it is, the desk that it works at, and what it tells meanwhile."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

import anyio
from mcp import types
from mcp.shared.exceptions import McpError
from pydantic import BaseModel

from assistant.errors import SightdeskError, WeightsError
from assistant.mcp_server.contents import file_path
from assistant.mcp_server.desks import Desks, Office, Visit
from assistant.mcp_server.progress import Progress

if TYPE_CHECKING:
    from mcp.server.session import ServerSession

    from assistant.tools import Desk

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_S: Final = 0.05

ROOTS_S: Final = 10.0
"""Seconds that a client has to say which folders it opened."""


class Refused(Exception):
    """A tool could not do what was asked; one sentence says why."""


@dataclass(frozen=True)
class Made:
    """What a tool gives: its structured content, and what is shown of it."""

    value: BaseModel
    content: list[types.ContentBlock]


@dataclass(frozen=True)
class Work:
    """One call."""

    office: Office
    visit: Visit
    session: ServerSession
    progress: Progress

    @property
    def tenant(self) -> str:
        """Whose."""
        return self.visit.tenant

    async def thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread, which is left alone if nobody waits for it any more."""
        return await anyio.to_thread.run_sync(
            functools.partial(work, *args, **kwargs),
            abandon_on_cancel=True,
            limiter=self.visit.threads,
        )

    async def desks(self) -> Desks:
        """The desks, once they are open.

        Raises:
            SightdeskError: they cannot be opened.
        """
        later = self.office.desks
        if not later.ready:
            self.progress.watch(lambda: (later.message or "Opening the desk", later.fraction))
        return await later.wait()

    async def desk(self, *, eyes: bool = False) -> Desk:
        """This tenant's desk; with a model that is loaded where it needs `eyes`.

        Raises:
            SightdeskError: it cannot be opened, or the model not be loaded.
        """
        desks = await self.desks()
        desk = replace(await self.thread(desks.desk, self.tenant), images=None)
        if eyes:
            await self.see()
        return desk

    async def see(self) -> None:
        """Wait until the model is loaded; a tool's own time begins after that.

        What this call asks of the model from then on counts as its client's.

        Raises:
            WeightsError: it cannot be.
        """
        later, desks = self.office.desks, await self.desks()
        if not desks.ready:
            self.progress.watch(lambda: (later.message or "Loading the model", later.fraction))
        while not desks.ready:
            if desks.trouble is not None:
                raise WeightsError(desks.trouble)
            await anyio.sleep(_LOOK_S)
        from assistant.engine.lock import client  # not before: it brings torch

        client.set(self.visit.name)

    async def folders(self) -> list[Path]:
        """Where this client may name files: its roots and those that the command line gave."""
        found = list(self.visit.folders)
        asked = self.session.client_params
        if self.visit.local and asked is not None and asked.capabilities.roots is not None:
            try:
                with anyio.fail_after(ROOTS_S):
                    roots = (await self.session.list_roots()).roots
            except (McpError, TimeoutError):
                roots = []
            found += [path for root in roots if (path := file_path(str(root.uri))) is not None]
        return [folder.resolve() for folder in found]


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` where the work is given up; in a thread, as it waits until the engine is free."""
    try:
        yield
    except BaseException:
        threading.Thread(target=stop, name="stop", daemon=True).start()
        raise


def refusal(error: SightdeskError | Refused) -> types.CallToolResult:
    """An error as a model and a person read it."""
    return failed(" ".join(str(error).split())[:600])


def failed(sentence: str) -> types.CallToolResult:
    """A result that says in a sentence why there is none."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=sentence)], isError=True
    )


def done(made: Made, *, text_only: bool) -> types.CallToolResult:
    """A result with its structured content."""
    content: list[Any] = list(made.content)
    if text_only:
        content = [block for block in content if isinstance(block, types.TextContent)]
    return types.CallToolResult(content=content, structuredContent=made.value.model_dump())


async def used(work: Work, desk: Desk, name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """What a tool of `assistant.tools` says, and its artifact; its words are told as progress.

    Where this is cancelled, so is the tool's work.

    Raises:
        Refused: it could not do what was asked.
    """
    from assistant.tools import build_tools
    from assistant.tools.guard import follower

    said = ""

    def follow(told: Any) -> None:
        nonlocal said
        said += str(told.get("words", ""))
        work.progress.tell(said)

    (tool,) = await work.thread(build_tools, desk, names=[name])
    before = follower.set(follow)
    try:
        with work.office.watched() as stop, stopping(stop):
            # Its own coroutine: the arguments are checked, and no callback has to know of it.
            text, artifact = await cast(Any, tool).coroutine(**arguments)
    finally:
        follower.reset(before)
    if artifact.get("trouble"):
        raise Refused(text)
    return text, artifact
