"""`sightdesk chat`: starts the Streamlit page as a process of its own and ends with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from assistant.errors import InputError
from assistant.settings import Quantize, get_settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(chat)


def chat(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="First free one from 8501 if not given."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="0.0.0.0 opens the page to the network, without a password.")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no window.")] = False,
    quantize: Annotated[
        Quantize | None,
        typer.Option(help="How the model is kept in memory.", show_default=False),
    ] = None,
) -> None:
    """Open the chat page in the browser; Ctrl+C ends it."""
    if quantize is not None:
        os.environ["SIGHTDESK_QUANTIZE"] = quantize  # the page is a process of its own
    if port is not None:
        check_port_is_free(host, port)
    options = [
        f"--server.address={host}",
        # Whole MiB, rounded up: the exact limit is checked when the picture is opened.
        f"--server.maxUploadSize={-(-get_settings().max_image_bytes // 2**20)}",
        "--server.showEmailPrompt=false",
        # The watcher walks every imported module and trips over transformers' lazy ones.
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=viewer",
    ]
    if port is not None:
        options.append(f"--server.port={port}")
    if no_browser:
        options.append("--server.headless=true")
    # -P: a folder named assistant/ where the user happens to stand must not shadow ours.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(_find_page()), *options]
    raise typer.Exit(run_child(command))


def run_child(command: Sequence[str]) -> int:
    """Run a program to its end; signals that would end this process go to it instead.

    Returns:
        Its exit code, or 128 + n where signal n ended it, as a shell gives it.
    """
    # A process group of its own, or Ctrl+C would reach it twice: from the terminal and from here.
    group = 0 if os.name == "posix" else None
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=group)

    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), forward) for name in names}
    try:
        code = child.wait()
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
    return code if code >= 0 else 128 - code


def _find_page() -> Path:
    room = find_spec("ui")  # found, not imported: assistant knows nothing of the page
    for folder in (room.submodule_search_locations if room else None) or []:
        page = Path(folder) / "app.py"
        if page.is_file():
            return page
    raise InputError("The chat page is not installed: run make setup, or install sightdesk again.")


def check_port_is_free(host: str, port: int) -> None:
    """Raise `InputError` where nothing could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"Port {port} on {host} cannot be used ({reason}): choose another with --port."
        ) from error
