"""`sightdesk serve`: the HTTP server, until it is told to stop."""

from __future__ import annotations

import shlex
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.answers import AdapterOption, BaseOption, QuantizeOption
from assistant.cli.progress import show_progress
from assistant.errors import InputError
from assistant.settings import get_settings, with_given

if TYPE_CHECKING:
    import uvicorn
    from pydantic import SecretStr

    from assistant.api.service import Service


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(serve)


def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 is all of the network, with keys only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="SIGHTDESK_API_KEY",
            help="A key that clients must send, beside those of sightdesk keys.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    grace: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds for what runs when it is stopped.")
    ] = 20.0,
) -> None:
    """Serve the models and the support desk over HTTP, as OpenAI does; Ctrl+C ends it."""
    settings = with_given(
        get_settings(),
        api_key=_checked_key(api_key),
        base=base,
        adapter=adapter,
        quantize=quantize,
    )
    from assistant.api import auth
    from assistant.api.app import create_app, server_options
    from assistant.api.service import Service

    listening = listen(host, port)
    try:
        with Service.open(settings, load=False) as service:
            auth.check_door(settings, service.store, host)
            import uvicorn

            config = uvicorn.Config(create_app(service), **server_options(grace))
            server = _server(config, service, grace)
            url = _address(listening)
            threading.Thread(
                target=_bring_up, args=(service, server, url), name="bring up", daemon=True
            ).start()
            server.run(sockets=[listening])
            if service.trouble is not None:
                raise InputError(f"The server was ended: {service.trouble}")
    finally:
        listening.close()


def _checked_key(api_key: str | None) -> SecretStr | None:
    """The key of ``--api-key``.

    Raises:
        InputError: it cannot be used.
    """
    from pydantic import SecretStr

    if api_key is None:
        return None
    if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
        raise InputError("The key of --api-key is empty or has signs that no header may have.")
    return SecretStr(api_key.strip())


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on: who calls before the server runs, waits.

    Raises:
        InputError: the host is none of this machine's, or the port is taken.
    """
    name = host.strip("[]")
    try:
        family = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0][0]
        dual = family == socket.AF_INET6 and name == "::" and socket.has_dualstack_ipv6()
        found = socket.create_server((name, port), family=family, backlog=2048, dualstack_ipv6=dual)
        # Connections inherit it. asyncio sets it only on sockets that it has made itself, and
        # without it each answer waits 40 ms for a packet to fill up.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"Port {port} on {host[:100]} cannot be used ({reason}): choose another with --port, "
            "or another --host."
        ) from error


def _address(listening: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(config: uvicorn.Config, service: Service, grace: float) -> uvicorn.Server:
    """A server that finishes what runs when it is told to stop, and then ends the command well."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn raises the signal anew at its end, before the store could be closed.
            names = ("SIGINT", "SIGTERM", "SIGBREAK")
            numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
            before = {number: signal.signal(number, self.handle_exit) for number in numbers}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: Any) -> None:
            if not self.should_exit:
                typer.echo("Finishing what runs; once more to end at once.", err=True)
                threading.Thread(target=service.drain, args=(grace,), daemon=True).start()
                self.should_exit = True
            else:
                self.force_exit = True

    return Server(config)


def _bring_up(service: Service, server: uvicorn.Server, url: str) -> None:
    """Load the model, then say where the server is; end it where the model cannot be loaded."""
    with show_progress(plain=True) as report:
        report("Loading the model", None)
        service.load(report)
    if service.trouble is not None:
        server.should_exit = True
        return
    typer.echo(f"Sightdesk listens on {url}; its documentation is at {url}/docs. Try:\n")
    typer.echo(example(url, service.settings.api_key is not None or bool(service.store.api_keys())))


def example(url: str, with_key: bool) -> str:
    """A line for a shell that asks the server something."""
    body = '{"model": "embedded", "messages": [{"role": "user", "content": "Hello!"}]}'
    parts = ["curl", f"{url}/v1/chat/completions", "-H", "Content-Type: application/json"]
    line = shlex.join([*parts, "-d", body])
    if with_key:
        # Double quotes: the shell puts the key in.
        line += ' -H "Authorization: Bearer $SIGHTDESK_API_KEY"'
    return line
