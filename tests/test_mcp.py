"""The command as a client's settings name it, with a real model; and the server's parts alone."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import StdioServerParameters, types
from pydantic import ValidationError
from typer.testing import CliRunner

from assistant.cli import app
from assistant.demo import SHOP
from assistant.errors import ImageError, InputError, SightdeskError
from assistant.mcp_server import pictures, shapes
from assistant.mcp_server.contents import LARGEST_PICTURE, address, file_path, picture
from assistant.mcp_server.desks import Later
from assistant.mcp_server.progress import Progress
from assistant.mcp_server.stdio import Lines
from assistant.mcp_server.tools import TOOLS
from assistant.settings import Settings
from tests import tiny
from tests.mcp_clients import encoded, on_pipes, opened, over_http, text_of

ROOT = Path(__file__).parent.parent
RUNNER = CliRunner()


def started(entry: dict[str, Any], **more: str) -> StdioServerParameters:
    """The process that a client starts for an entry of its settings."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", "")])
    env = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **entry.get("env", {}), **more}
    return StdioServerParameters(command=entry["command"], args=entry["args"], env=env)


def test_the_readmes_settings_start_it() -> None:
    """As a client would with them, with a tiny model."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    entries = [block["mcpServers"] for block in blocks if "mcpServers" in block]
    assert entries, "the README shows what an MCP client's settings need"
    entry = entries[0]["sightdesk"]
    assert entry == {"command": "sightdesk", "args": ["mcp"]}
    server = started(entry, SIGHTDESK_BASE=str(tiny.directory()))
    with opened(lambda: on_pipes(server)) as client:
        told = client.told("describe_image", image=encoded(1))
        assert told["image_id"] == tiny.picture(1).id and told["description"]
        assert client.told("search_knowledge", query="returns") == {"passages": []}
        assert client.told("search_images", query="apple") == {"pictures": []}


def test_the_settings_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "sightdesk"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "mcp", "--adapter", "grocery", "--config"])
    printed = RUNNER.invoke(app, ["mcp", "--adapter", "grocery", "--config"]).stdout
    assert json.loads(printed)["mcpServers"]["sightdesk"] == {
        "command": str(program), "args": ["mcp", "--adapter", "grocery"]
    }  # fmt: skip
    printed = RUNNER.invoke(app, ["mcp", "--http", "--port", "9000", "--config"]).stdout
    entry = json.loads(printed)["mcpServers"]["sightdesk"]
    assert entry == {"type": "http", "url": "http://127.0.0.1:9000/mcp"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_over_http_on_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = RUNNER.invoke(app, ["mcp", "--http", "--port", str(port)])
    assert busy.exit_code == 2 and "cannot be used" in busy.stderr
    unknown = RUNNER.invoke(app, ["mcp", "--adapter", "nowhere"])
    assert unknown.exit_code == 2 and "no adapter 'nowhere'" in unknown.stderr
    others = RUNNER.invoke(app, ["mcp", "--http", "--port", str(port), "--host", "0.0.0.0"])
    assert others.exit_code == 2 and "sightdesk keys create" in others.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scripted_mcp", "--http", "--port", str(port)],
        cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        with opened(lambda: over_http(url)) as client:
            assert client.told("add_image", image=encoded(1))["width"] == 40
    finally:
        process.send_signal(signal.SIGINT)
        out, log = process.communicate(timeout=30)
    assert url in log.decode() and "Traceback" not in log.decode() and out == b""


@pytest.mark.weights
def test_the_embedded_model_sees(base_cache: Path) -> None:
    server = started({"command": "sightdesk", "args": ["mcp", "--adapter", "grocery"]})
    told: list[str | None] = []

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    with opened(lambda: on_pipes(server, roots=[SHOP]), patience=600) as client:
        name = "pictures/" + min(p.name for p in (SHOP / "pictures").glob("*Granny*.webp"))
        found = client.call("label_image", follow, image=name)
        assert not found.isError, text_of(found)
        assert found.structuredContent and found.structuredContent["label"] == "Granny-Smith"
        assert found.structuredContent["confidence"] > 0.5
        id = found.structuredContent["image_id"]
        described = client.told("describe_image", image=id)["description"]
        assert len(described.split()) >= 4
    assert len(told) >= 2


# --- shapes


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_schemas_are_schemas(name: str) -> None:
    listed = TOOLS[name].listed(name)
    for schema in (listed.inputSchema, listed.outputSchema):
        assert schema is not None
        jsonschema.Draft202012Validator.check_schema(schema)
        assert all("title" not in part for part in schema["properties"].values())
    assert listed.inputSchema["additionalProperties"] is False


def test_what_is_wrong_with_arguments_is_one_sentence() -> None:
    for given in ({}, {"image": 1}, {"image": "a", "x\n" * 50: 1}):
        with pytest.raises(ValidationError) as caught:
            shapes.OneImage.model_validate(given)
        said = shapes.mended(caught.value, "look", shapes.OneImage)
        assert said.endswith(".") and "look" in said and len(said) < 300


# --- pictures


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """An open folder with a picture, a link out of it and a loop of links."""
    inner = tmp_path / "open" / "inner"
    inner.mkdir(parents=True)
    for path in (inner / "a.png", tmp_path / "b.png"):
        tiny.pixels(1).save(path)
    (inner / "out").symlink_to(tmp_path)
    (inner / "loop").symlink_to(inner / "loop")
    (tmp_path / "in").symlink_to(inner)
    return [(tmp_path / "open").resolve()]


@pytest.mark.parametrize("name", ["inner/a.png", "./inner/../inner/a.png", "{0}/open/inner/a.png",
                                  "{0}/in/a.png"])  # fmt: skip
def test_files_that_may_be_named(folders: list[Path], tmp_path: Path, name: str) -> None:
    found = pictures.inside(Path(name.format(tmp_path)), folders)
    assert found == (tmp_path / "open" / "inner" / "a.png").resolve()


@pytest.mark.parametrize("name", ["../b.png", "inner/out/b.png", "{0}/b.png", "/", "/etc/passwd",
                                  "inner/out/nothing.png", "{0}/opening/a.png"])  # fmt: skip
def test_files_that_may_not(folders: list[Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no folder that the client opened"):
        pictures.inside(Path(name.format(tmp_path)), folders)


def test_a_loop_of_links_leads_nowhere(folders: list[Path]) -> None:
    from assistant.images import open_image

    with pytest.raises(SightdeskError):
        open_image(pictures.inside(Path("inner/loop"), folders))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"DATA:;BASE64,{text}",
        lambda text: f"data:image/jpeg;charset=x;base64,{text}",
        lambda text: "\n".join(re.findall(".{1,76}", text)),
        lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
    ],
    ids=["bare", "uri", "capitals", "parameters", "lines", "for-urls"],
)
def test_base64_in_all_its_forms(change: Any) -> None:
    data = pictures._decoded(change(encoded(1)), Settings())
    buffer = io.BytesIO()
    tiny.pixels(1).save(buffer, "PNG")
    assert data == buffer.getvalue()


def test_base64_that_is_none() -> None:
    small = Settings(max_image_bytes=1_000)
    for text in ("photos/a.png", "a" * 20, "/home/someone/pictures/of a lemon.jpg"):
        assert pictures._decoded(text, small) is None
    bad = {"A" * 2_000: "larger than", "A" * 100_000: "larger than",
           "data:image/png;base64,%%%%": "not valid", "data:,x": "in base64"}  # fmt: skip
    for text, words in bad.items():
        with pytest.raises(ImageError, match=words):
            pictures._decoded(text, small)


def test_addresses() -> None:
    id = "0123456789abcdef" * 4
    assert address(f"sightdesk://image/{id}") == ("image", id)
    assert address(f" SIGHTDESK://Image/{id.upper()}/ ") == ("image", id)
    for text in (id, f"sightdesk://image/{id}/x", "sightdesk://image/../x", "sightdesk://image/"):
        assert address(text) is None
    assert file_path("file:///a%20b/c.png") == Path("/a b/c.png")
    assert file_path("file://localhost/c.png") == Path("/c.png")
    for text in ("file://other/c.png", "http:///c.png", "file:c%00.png", "file://[bad", "c.png"):
        assert file_path(text) is None
    assert picture(b"x" * (LARGEST_PICTURE + 1)) is None


# --- what is still being made


def test_what_fails_is_tried_again() -> None:
    tries: list[int] = []

    def make(report: Any) -> str:
        tries.append(1)
        report("Making it", 0.5)
        if len(tries) == 1:
            raise InputError("Not yet.")
        return "made"

    later = Later(make)
    assert not later.ready
    with pytest.raises(InputError):
        later.get()
    assert not later.ready and later.message == "Making it"
    assert later.get() == "made" and later.ready and later.get() == "made" and len(tries) == 2


async def test_one_that_stops_waiting_does_not_stop_the_others() -> None:
    gate = threading.Event()
    later = Later(lambda _: gate.wait(20))
    first = asyncio.create_task(later.wait())
    second = asyncio.create_task(later.wait())
    await asyncio.sleep(0.05)
    first.cancel()
    gate.set()
    assert await second is True and later.ready


class Told:
    """A session that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str | None]] = []

    async def send_progress_notification(
        self, token: Any, progress: float, total: Any, message: Any, related_request_id: Any
    ) -> None:
        self.sent.append((progress, message))


async def test_progress_only_grows_and_is_seldom() -> None:
    session: Any = Told()
    async with Progress(session, "token", "1") as progress:
        for number in range(300):
            progress.tell(f"word {number}", 0.9 - number / 1000)
            await asyncio.sleep(0.001)
        progress.watch(lambda: ("loading " * 100, 2.0))
        await asyncio.sleep(0.3)
    numbers = [number for number, _ in session.sent]
    assert 2 <= len(numbers) <= 12 and numbers == sorted(set(numbers)) and numbers[-1] < 1
    assert all(len(message) <= 200 for _, message in session.sent)
    silent: Any = Told()
    async with Progress(silent, None, "1") as progress:
        progress.tell("nobody asked")
    assert silent.sent == []


async def test_a_line_that_is_too_long_is_dropped() -> None:
    class Refusals:
        sent: list[Any] = []  # noqa: RUF012

        async def send(self, message: Any) -> None:
            self.sent.append(message.message.root)

    long = b"x" * 5_000_000
    given = b'{"a":1}\n\n' + b'{"id":"q-1","x":"' + long + b'"}\n' + long + b'\n{"b":2}'
    lines = Lines(io.BytesIO(given), 1_000)
    lines.refuse = refusals = Refusals()
    assert [line.strip() async for line in lines] == ['{"a":1}', '{"b":2}']
    (error,) = refusals.sent
    assert isinstance(error, types.JSONRPCError) and error.id == "q-1"
