"""`sightdesk mcp`: the desk for programs that speak the Model Context Protocol."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.answers import AdapterOption, BaseOption, QuantizeOption
from assistant.errors import InputError
from assistant.settings import Settings, get_settings, with_given

if TYPE_CHECKING:
    from assistant.api.service import Service
    from assistant.mcp_server.desks import Later

STOP_S = 5
"""For what still runs when the HTTP server is stopped."""


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command("mcp")(mcp)


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Listen at /mcp; else a client starts this command.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="With --http: where; beyond this machine, keys are needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http.")] = 8765,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            help="Clients may name picture files in it, as often as needed; without --http.",
            show_default=False,
        ),
    ] = None,
    text_only: Annotated[
        bool,
        typer.Option("--text-only", help="Results without pictures and links beside the words."),
    ] = False,
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    config: Annotated[
        bool, typer.Option("--config", help="Print what an MCP client's settings need, and end.")
    ] = False,
) -> None:
    """Offer the desk's tools to an MCP client, on its pipes or over HTTP."""
    if config:
        typer.echo(json.dumps(_client_config(http, host, port), indent=2))
        return
    settings = with_given(get_settings(), base=base, quantize=quantize)
    if adapter is not None:
        from assistant.adapter_files import find_adapter

        find_adapter(adapter, settings)  # a client would show no error of a later moment
    # Standard output carries messages; the libraries' remarks go where the client keeps its log.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    if http:
        if folder:
            raise InputError("--folder is for a client on this machine; leave it out with --http.")
        _listen(settings, host, port, adapter, text_only=text_only)
        return
    folders = [_folder(each) for each in folder or []]
    _answer_pipes(open_service(settings, adapter), settings, folders, text_only=text_only)


def _client_config(http: bool, host: str, port: int) -> dict[str, Any]:
    """The entry that clients keep in a file such as ``mcp.json``, with this command's options."""
    if http:
        entry: dict[str, Any] = {"type": "http", "url": _url(host, port)}
    else:
        options = [word for word in sys.argv[1:] if word != "--config"]
        found = shutil.which(sys.argv[0]) or shutil.which("sightdesk") or "sightdesk"
        # A client started from a menu has another PATH than a terminal.
        entry = {"command": str(Path(found).absolute()), "args": options or ["mcp"]}
    return {"mcpServers": {"sightdesk": entry}}


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"


def open_service(settings: Settings, adapter: str | None = None) -> Later[Any]:
    """The service, to be opened in the background, with how far its model is."""
    from assistant.mcp_server.desks import Later

    def make(report: Any) -> Service:
        report("Opening the desk", None)
        from assistant.api.service import Service

        service = Service.open(settings, load=False)
        service.adapter = adapter
        return _loading(service, report)

    return Later(make)


def _answer_pipes(
    later: Later[Any], settings: Settings, folders: Sequence[Path], *, text_only: bool
) -> None:
    import anyio

    from assistant.mcp_server.desks import Office, Visit
    from assistant.mcp_server.http import longest_message
    from assistant.mcp_server.stdio import own_pipes, serve

    visit = Visit(local=True, folders=tuple(folders), text_only=text_only)
    with own_pipes() as pipes:

        async def answer() -> None:
            later.begin()  # meanwhile the client is greeted
            office = Office(later, _stoppable)
            await serve(office, visit, pipes, longest=longest_message(settings))

        # A client that is gone need not be told the rest.
        with suppress(BrokenPipeError, ConnectionResetError):
            anyio.run(answer)
        _close(later)


def _close(later: Later[Any]) -> None:
    """Close the service, and end this process at once.

    A client waits two seconds for that, and the interpreter's own end takes longer once torch is
    in it; a model that is still being loaded would crash it.
    """
    if later.ready:
        later.get().close()
    sys.stderr.flush()
    os._exit(0)


def _listen(
    settings: Settings, host: str, port: int, adapter: str | None, *, text_only: bool
) -> None:
    import uvicorn

    from assistant.api.auth import check_door
    from assistant.api.service import Service
    from assistant.cli.page import check_port_is_free

    check_port_is_free(host, port)
    with Service.open(settings, load=False) as service:
        check_door(settings, service.store, host)
        service.adapter = adapter
        _loading(service, _log_line)
        typer.echo(f"MCP at {_url(host, port)}; Ctrl+C ends it.", err=True)
        app = http_app(service, text_only=text_only)
        config = uvicorn.Config(
            app, host=host, port=port, log_level="warning", server_header=False,
            timeout_graceful_shutdown=STOP_S,
        )  # fmt: skip
        uvicorn.Server(config).run()


def _loading(service: Service, report: Any) -> Service:
    """The service, whose model is being loaded from here on."""
    work = service.load
    threading.Thread(target=work, args=(report,), name="load the model", daemon=True).start()
    return service


def _log_line(message: str, fraction: float | None) -> None:
    """A step of the loading, once: a server's log is no place for a bar."""
    if fraction is None:
        typer.echo(f"{message} …", err=True)


def http_app(service: Service, *, text_only: bool = False) -> Any:
    """The endpoint with the same guard as `sightdesk serve`, and nothing beside it."""
    from starlette.applications import Starlette

    from assistant.api.guard import install
    from assistant.mcp_server.http import mcp_app

    origins = service.settings.allowed_origins
    found = mcp_app(service, watched=_stoppable, origins=origins, text_only=text_only)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with found.running():
            yield

    app = Starlette(routes=list(found.routes), lifespan=lifespan)
    app.state.service = service
    install(app, service)
    return app


def _stoppable() -> Any:
    from assistant.api.watch import stoppable

    return stoppable()


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"There is no folder {path}; give one that holds pictures.")
    return path.resolve()
