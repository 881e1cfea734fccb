"""`sightdesk mcp` on pipes, as the SDK's client starts it: every tool, files, bad input, ends."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, McpError, types
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification

from assistant.settings import Settings
from assistant.tools import TOOLS
from tests import tiny
from tests.mcp_clients import Client, encoded, on_pipes, opened, scripted, text_of
from tests.scripted_desk import fill
from tests.scripted_mcp import LABEL, SEEN


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo's shop, and a folder of photos that the client opened."""
    folder = tmp_path_factory.mktemp("mcp")
    fill(folder / "files", settings=Settings(data_dir=folder / "data"))
    (folder / "photos").mkdir()
    tiny.pixels(15).save(folder / "photos" / "shelf.png")
    tiny.pixels(6).save(folder / "secret.png")
    (folder / "photos" / "out.png").symlink_to(folder / "secret.png")
    (folder / "photos" / "note.png").write_text("no picture", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    """One process for most tests; its model waits to be loaded, and its libraries print."""
    server = scripted(
        place / "data", SCRIPTED_GATE=str(place / "gate"), SCRIPTED_NOISE="1",
        SCRIPTED_DELAY="0.03", SCRIPTED_STOPPED=str(place / "stopped"),
    )  # fmt: skip
    with opened(lambda: on_pipes(server, roots=[place / "photos"], log=place / "log")) as found:
        yield found


def test_the_model_is_loaded_with_progress(client: Client, place: Path) -> None:
    """First in this file: later the model is there."""
    told: list[tuple[float, float | None, str | None]] = []

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        if message == "Reading the weights":
            (place / "gate").touch()

    found = client.call("describe_image", follow, image=encoded())
    assert text_of(found).startswith(SEEN)
    messages = [message for _, _, message in told]
    assert "Reading the weights" in messages
    assert any(message and SEEN.startswith(message) for message in messages), "words as they come"
    numbers = [done for done, _, _ in told]
    assert numbers == sorted(set(numbers)) and all(0 < number < 1 for number in numbers)
    assert {total for _, total, _ in told} == {1.0}


def test_what_it_says_of_itself(client: Client) -> None:
    started = client.started
    assert started.serverInfo.name == "sightdesk" and "ask_desk" in (started.instructions or "")
    able = started.capabilities
    assert able.tools and able.resources and able.prompts and able.completions


def test_tools_are_listed_with_schemas_and_hints(client: Client) -> None:
    listed = {tool.name: tool for tool in client.run(lambda s: s.list_tools()).tools}
    assert set(listed) == {*TOOLS, "add_image", "ask_desk"}
    changing = {"add_image", "ask_desk", "hand_over"}
    for name, tool in listed.items():
        assert tool.title and tool.description and tool.annotations
        assert tool.inputSchema["type"] == "object"
        assert tool.outputSchema and tool.outputSchema["type"] == "object"
        hints = tool.annotations
        assert hints.openWorldHint is False and hints.destructiveHint is False
        assert hints.readOnlyHint is (name not in changing)
        assert hints.idempotentHint is (name != "ask_desk")


def test_a_picture_is_kept_once_and_named(client: Client) -> None:
    first = client.told("add_image", image=encoded(2), name="shelf.png")
    again = client.told("add_image", image=f"data:image/png;base64,{encoded(2)}")
    assert first["image_id"] == again["image_id"] == tiny.picture(2).id
    assert (first["name"], first["width"], first["height"]) == ("shelf.png", 40, 30)
    assert first["uri"] == f"sightdesk://image/{first['image_id']}"
    for name in (first["image_id"], first["image_id"][:8], first["uri"]):
        assert client.told("label_image", image=name)["image_id"] == first["image_id"]
    (contents,) = client.read(first["uri"])
    assert contents.mimeType == "image/webp" and contents.meta["sightdesk"]["width"] == 40


def test_a_picture_is_asked_about(client: Client) -> None:
    found = client.told("ask_image", image=encoded(3), question="How many apples?")
    assert found["answer"] == SEEN and found["question"] == "How many apples?"
    assert found["image_id"] == tiny.picture(3).id


def test_a_picture_is_labelled(client: Client) -> None:
    found = client.told("label_image", image=encoded(3))
    assert (found["label"], found["coarse"], found["confidence"]) == (LABEL, "Apple", 0.97)
    assert found["scores"][1] == {"label": "Lemon", "confidence": 0.02}


def test_text_is_read(client: Client) -> None:
    import base64
    import io

    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (420, 120), "white")
    ImageDraw.Draw(page).text((20, 40), "TOTAL 12.50", "black", ImageFont.load_default(40))
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    given = base64.b64encode(buffer.getvalue()).decode()
    found = client.told("read_text", image=given)
    assert "12.50" in found["text"]
    line = found["lines"][0]
    assert len(line["box"]) == 4 and 0.5 < line["confidence"] <= 1
    assert client.told("read_text", image=encoded(4))["lines"] == []


def test_passages_are_found_and_linked(client: Client) -> None:
    found = client.call("search_knowledge", query="unopened packages returned within 14 days")
    passages = found.structuredContent and found.structuredContent["passages"]
    assert passages and passages[0]["source"] == "returns.md" and 0 < passages[0]["score"] <= 1
    links = [block for block in found.content if isinstance(block, types.ResourceLink)]
    assert [str(link.uri) for link in links] == [each["uri"] for each in passages]
    (contents,) = client.read(str(links[0].uri))
    assert contents.mimeType == "text/plain" and passages[0]["text"][:40] in contents.text


def test_product_pictures_are_shown_and_linked(client: Client) -> None:
    found = client.call("search_images", query="Granny Smith")
    kinds = [block.type for block in found.content]
    assert kinds[:3] == ["text", "image", "resource_link"]
    image, link = found.content[1], found.content[2]
    assert isinstance(image, types.ImageContent) and image.mimeType == "image/webp"
    assert len(image.data) < 100_000
    assert isinstance(link, types.ResourceLink)
    assert found.structuredContent is not None
    best = found.structuredContent["pictures"][0]
    assert best["label"] == LABEL and str(link.uri) == best["uri"]
    (contents,) = client.read(best["uri"])
    assert len(contents.blob) > len(image.data)
    assert client.told("search_images", image=best["image_id"])["pictures"]


def test_the_whole_desk_answers_and_remembers(client: Client) -> None:
    first = client.call("ask_desk", message="Where does this come from?", images=[encoded(5)])
    told = first.structuredContent
    assert told is not None and told["outcome"] == "answered", first
    assert "France" in told["answer"] and told["tools"] == ["label_image", "search_knowledge"]
    assert [each["number"] for each in told["citations"]] == list(
        range(1, len(told["citations"]) + 1)
    )
    cited = {each["uri"] for each in told["citations"]}
    links = {str(b.uri) for b in first.content if isinstance(b, types.ResourceLink)}
    assert links == cited and all(client.read(uri) for uri in cited)
    assert told["thread_id"] in text_of(first)
    again = client.told("ask_desk", message="What do you see?", thread_id=told["thread_id"])
    assert again["thread_id"] == told["thread_id"] and "apple" in again["answer"]


def test_a_person_is_called_once_for_one_reason(client: Client) -> None:
    first = client.told("hand_over", reason="The customer was hurt")
    assert first == client.told("hand_over", reason="The  customer was hurt ") | {
        "reason": first["reason"]
    }
    assert client.told("hand_over", reason="Another thing")["ticket_id"] != first["ticket_id"]
    asked = client.told("ask_desk", message="What do you see?", images=[encoded(7)])
    ticket = client.told("hand_over", reason="Wants a person", thread_id=asked["thread_id"])
    after = client.told("ask_desk", message="Hello?", thread_id=asked["thread_id"])
    assert after["outcome"] == "handed_over" and after["ticket_id"] == ticket["ticket_id"]
    assert "no such conversation" in client.refused("hand_over", reason="x", thread_id="none")


def test_prompts_are_words(client: Client) -> None:
    listed = client.run(lambda s: s.list_prompts()).prompts
    assert {prompt.name for prompt in listed} == {
        "describe_photo", "answer_customer", "read_receipt"
    }  # fmt: skip
    assert all(prompt.title and prompt.arguments for prompt in listed)
    given = {"message": "Do you have Granny Smith?", "language": "Chinese"}
    found = client.run(lambda s: s.get_prompt("answer_customer", given))
    (message,) = found.messages
    assert isinstance(message.content, types.TextContent)
    assert "Granny Smith?" in message.content.text and "Chinese" in message.content.text


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("nothing", {}, "There is no prompt"),
        ("describe_photo", {}, "needs the argument image"),
        ("describe_photo", {"image": "x", "size": "1"}, "takes no argument 'size'"),
        ("answer_customer", {"message": "x" * 5000}, "shorten it"),
    ],
)
def test_prompts_that_cannot_be_written(
    client: Client, name: str, given: dict[str, str], words: str
) -> None:
    with pytest.raises(McpError, match=words):
        client.run(lambda s: s.get_prompt(name, given))


def test_resources_are_listed_and_completed(client: Client) -> None:
    listed = client.run(lambda s: s.list_resources())
    assert len(listed.resources) == 10 and listed.nextCursor is None
    assert {resource.mimeType for resource in listed.resources} == {"image/webp"}
    templates = client.run(lambda s: s.list_resource_templates()).resourceTemplates
    assert [each.uriTemplate for each in templates] == [
        "sightdesk://image/{id}", "sightdesk://passage/{id}"
    ]  # fmt: skip
    id = str(listed.resources[0].uri).rpartition("/")[2]
    ref = types.ResourceTemplateReference(type="ref/resource", uri="sightdesk://image/{id}")
    found = client.run(lambda s: s.complete(ref, {"name": "id", "value": id[:6]}))
    assert id in found.completion.values
    prompt = types.PromptReference(type="ref/prompt", name="describe_photo")
    found = client.run(lambda s: s.complete(prompt, {"name": "image", "value": id[:6]}))
    assert id in found.completion.values
    with pytest.raises(McpError, match="no such cursor"):
        client.run(lambda s: s.list_resources(params=types.PaginatedRequestParams(cursor="-1")))


@pytest.mark.parametrize(
    "uri",
    [
        "sightdesk://image/" + "0" * 64,
        "sightdesk://passage/" + "0" * 32,
        "sightdesk://image/..%2f..%2fetc",
        "sightdesk://ticket/1",
        "file:///etc/passwd",
        "https://example.org/a.png",
    ],
)
def test_resources_that_are_not_there(client: Client, uri: str) -> None:
    with pytest.raises(McpError) as caught:
        client.read(uri)
    assert caught.value.error.code == -32002 and "root:" not in str(caught.value)


# --- files


def test_files_in_an_open_folder(client: Client, place: Path) -> None:
    path = place / "photos" / "shelf.png"
    for name in (str(path), path.as_uri(), "shelf.png"):
        found = client.told("add_image", image=name)
        assert found["image_id"] == tiny.picture(15).id and found["name"] == "shelf.png"


def test_files_outside_of_it(client: Client, place: Path) -> None:
    secret, out = place / "secret.png", place / "photos" / "out.png"
    names = [str(secret), secret.as_uri(), "../secret.png", "out.png", str(out), "/etc/passwd"]
    names += [str(place / "nothing.png"), "../nothing.png"]
    said = {client.refused("add_image", image=name) for name in names}
    assert len(said) == 1, "whether a file is there cannot be told from the answer"
    assert "no folder that the client opened" in client.refused("add_image", image=names[0])
    for name in ("nothing.png", "~/a.png"):
        assert "does not exist" in client.refused("add_image", image=name)
    assert "is not a picture" in client.refused("add_image", image="note.png")
    assert "folder" in client.refused("add_image", image=str(place / "photos"))
    assert "none of this machine" in client.refused("add_image", image="file://host/a.png")
    assert "not fetched" in client.refused("add_image", image="http://127.0.0.1/a.png")


# --- bad input


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("describe_image", {}, "needs the argument image"),
        ("describe_image", {"image": 5}, "argument image of describe_image cannot be used"),
        ("describe_image", {"image": ""}, "argument image"),
        ("describe_image", {"image": "0" * 64}, "There is no picture"),
        ("describe_image", {"image": "data:image/png;base64,####"}, "not valid base64"),
        ("describe_image", {"image": "data:image/png,abc"}, "in base64"),
        ("describe_image", {"image": "data:image/png;base64,"}, "is empty"),
        ("describe_image", {"image": "data:" + "x" * 300}, "no comma"),
        ("describe_image", {"image": "AAAA" * 50}, "is not a picture"),
        ("describe_image", {"image": "sightdesk://passage/" + "0" * 32}, "no picture's"),
        ("describe_image", {"image": "a\0b.png"}, "no picture"),
        ("ask_image", {"image": encoded(1), "question": " "}, "question is empty"),
        ("ask_image", {"image": encoded(1), "question": "x" * 5000}, "longer than"),
        ("ask_image", {"image": encoded(1), "question": "a", "x": 1}, "takes no argument 'x'"),
        ("search_images", {}, "Give words or an image"),
        ("search_knowledge", {"query": "  "}, "query is empty"),
        ("ask_desk", {"message": " "}, "question is empty"),
        ("ask_desk", {"message": "a", "images": ["b"] * 9}, "argument images"),
        ("ask_desk", {"message": "a", "thread_id": "t" * 300}, "argument thread_id"),
        ("hand_over", {"reason": ""}, "reason is empty"),
    ],
    ids=lambda value: None if not isinstance(value, str) else value[:20],
)
def test_bad_arguments(client: Client, tool: str, arguments: dict[str, Any], words: str) -> None:
    assert words in client.refused(tool, **arguments)


def test_an_unknown_tool(client: Client) -> None:
    with pytest.raises(McpError, match="There is no tool 'fly'"):
        client.run(lambda s: s.call_tool("fly", {}))


def test_cancelling_stops_the_model(client: Client, place: Path) -> None:
    mark = place / "stopped"
    mark.unlink(missing_ok=True)

    async def begin(session: ClientSession) -> float:
        import asyncio

        id = session._request_id
        seen = asyncio.Event()

        async def follow(progress: float, total: float | None, message: str | None) -> None:
            if message and SEEN.startswith(message):
                seen.set()

        asked = asyncio.create_task(
            session.call_tool("describe_image", {"image": encoded(8)}, progress_callback=follow)
        )
        await asyncio.wait_for(seen.wait(), 20)
        began = time.monotonic()
        params = CancelledNotificationParams(requestId=id, reason="enough")
        await session.send_notification(ClientNotification(CancelledNotification(params=params)))
        with pytest.raises(McpError, match="cancelled"):
            await asked
        return began

    began = client.run(begin)
    while not mark.exists() and time.monotonic() - began < 5:
        time.sleep(0.01)
    assert mark.exists(), "words were left"
    assert client.told("label_image", image=encoded(8))["label"] == LABEL, "it answers on"


# --- the pipe itself


class Raw:
    """The process, spoken to line by line."""

    def __init__(self, data: Path, *options: str, **more: str) -> None:
        server = scripted(data, *options, **more)
        self.process = subprocess.Popen(
            [server.command, *server.args], cwd=server.cwd, env=server.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines: list[Any] = []
        self._told = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.log = b""
        self._logger = threading.Thread(target=self._log, daemon=True)
        self._logger.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._told:
                self.lines.append(json.loads(line))  # nothing but messages
                self._told.notify_all()

    def _log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line

    def send(self, text: str | bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def ask(self, id: int, method: str, **params: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.send(json.dumps(message))
        return self.answer(id)

    def answer(self, id: int) -> Any:
        end = time.monotonic() + 30
        with self._told:
            while time.monotonic() < end:
                for line in self.lines:
                    if line.get("id") == id and "method" not in line:
                        return line
                self._told.wait(0.5)
        raise AssertionError(f"no answer to {id}: {self.log.decode()}")

    def greet(self) -> None:
        about = {"name": "raw", "version": "1"}
        told = self.ask(
            1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=about
        )
        assert told["result"]["serverInfo"]["name"] == "sightdesk"
        self.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def end(self) -> int:
        """Close the client's end; how the process ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(20)
        self._logger.join(5)
        return code


def test_a_pipe_with_garbage_in_it(place: Path) -> None:
    raw = Raw(place / "data", "--text-only", SIGHTDESK_MAX_IMAGE_BYTES="100000", SCRIPTED_NOISE="1")
    raw.greet()
    for garbage in ("", "{", "[1,2]", "null", '{"jsonrpc":"1.0"}', b"\xff\xfe\x00", "[" * 9_000,
                    '{"jsonrpc":"2.0","id":7,"method":"no/such"}',
                    '{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{}}'):  # fmt: skip
        raw.send(garbage)
    assert "error" in raw.answer(7) and "error" in raw.answer(8)
    # Of a message that is too long nothing is kept but its id, which may stand at either end.
    huge = "A" * 3_000_000
    raw.send(f'{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{{"name":"{huge}"}}}}')
    raw.send(f'{{"method":"tools/call","params":{{"name":"{huge}"}},"jsonrpc":"2.0","id":10}}')
    for id in (9, 10):
        assert "longer than" in raw.answer(id)["error"]["message"]
    large = raw.ask(11, "tools/call", name="add_image", arguments={"image": "A" * 150_000})
    assert large["result"]["isError"] and "larger than" in large["result"]["content"][0]["text"]
    found = raw.ask(12, "tools/call", name="search_knowledge", arguments={"query": "returns"})
    assert {block["type"] for block in found["result"]["content"]} == {"text"}, "--text-only"
    assert found["result"]["structuredContent"]["passages"][0]["uri"]
    no_roots = raw.ask(14, "tools/call", name="add_image", arguments={"image": "/tmp/a.png"})
    assert "No folder is open" in no_roots["result"]["content"][0]["text"]
    assert raw.end() == 0
    assert b"a library says hello" in raw.log and b"and a library in C" in raw.log
    assert b"Traceback" not in raw.log


def test_a_client_that_vanishes_while_the_model_loads(place: Path) -> None:
    raw = Raw(place / "data", SCRIPTED_GATE=str(place / "never"))
    raw.greet()
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
               "params": {"name": "label_image", "arguments": {"image": encoded(1)}}}  # fmt: skip
    raw.send(json.dumps(message))
    time.sleep(0.3)
    assert raw.end() == 0  # in time
    assert b"Traceback" not in raw.log


def test_a_model_that_cannot_be_loaded(place: Path) -> None:
    raw = Raw(place / "data", "--folder", str(place), SCRIPTED_BROKEN="The base is gone; fetch it.")
    raw.greet()
    for tool, given in (("label_image", {"image": "secret.png"}), ("ask_desk", {"message": "Hi"})):
        found = raw.ask(2, "tools/call", name=tool, arguments=given)
        raw.lines.clear()
        assert found["result"]["isError"]
        assert found["result"]["content"][0]["text"] == "The base is gone; fetch it."
    found = raw.ask(3, "tools/call", name="search_knowledge", arguments={"query": "returns"})
    assert not found["result"]["isError"], "what needs no model is answered"
    assert raw.end() == 0


def test_options_that_cannot_be_used(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from assistant.cli import app

    for options in (["--folder", str(tmp_path / "none")], ["--http", "--folder", str(tmp_path)]):
        result = CliRunner().invoke(app, ["mcp", *options])
        assert result.exit_code == 2 and "older" in result.stderr
    assert os.fstat(1), "the pipes were left alone"
