"""The embedded model behind the server, as the openai SDK asks it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.api_server import served

pytestmark = pytest.mark.weights

PHOTO = "Yellow-Bell-Pepper.webp"


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with served(None) as server:
        assert server.service.wait(600), server.service.trouble
        yield openai.OpenAI(base_url=server.v1, api_key="any", max_retries=0)


def test_it_names_sees_calls_and_keeps_to_a_form(client: openai.OpenAI, photos: Path) -> None:
    models = [model.id for model in client.models.list()]
    assert models[0] == "embedded" and models[-2] == "sightdesk-agent"
    data = base64.b64encode((photos / PHOTO).read_bytes()).decode()

    def asks(text: str) -> Any:
        url = f"data:image/webp;base64,{data}"
        return [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": text},
                    {"type": "image_url", "image_url": {"url": url}},
                ],
            }
        ]

    named = client.chat.completions.create(model="embedded", messages=asks("What product is this?"))
    assert named.choices[0].message.content == "Yellow Bell Pepper."
    stream = client.chat.completions.create(
        model="embedded", messages=asks("What product is this?"), stream=True
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert said == "Yellow Bell Pepper."

    form: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "colour",
            "schema": {
                "type": "object",
                "properties": {"colour": {"enum": ["red", "yellow", "green"]}},
                "required": ["colour"],
            },
        },
    }
    formed = client.chat.completions.create(
        model="embedded", messages=asks("What colour is it?"), response_format=form
    )
    assert json.loads(formed.choices[0].message.content or "")["colour"] == "yellow"

    tool: Any = {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Look up an order by its number.",
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "string", "description": "Of the order."}},
                "required": ["number"],
            },
        },
    }
    question: Any = {"role": "user", "content": "Where is my order 4711?"}
    called = client.chat.completions.create(model="embedded", messages=[question], tools=[tool])
    message = called.choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "order_status"
    assert "4711" in json.loads(call.function.arguments)["number"]
    answered = client.chat.completions.create(
        model="embedded",
        messages=[
            question,
            message.model_dump(exclude_none=True),  # type: ignore[list-item]
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": "Order 4711 was shipped on Monday.",
            },
        ],
        tools=[tool],
    )
    assert "Monday" in (answered.choices[0].message.content or "")
    assert "[1]" not in (answered.choices[0].message.content or "")
