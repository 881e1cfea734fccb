"""Answers of a form: whatever a random model would like to say, calls parse and name the real."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
import torch

from assistant import desk_prompts
from assistant.chat_model import grammars
from assistant.chat_model.grammars import ToolSpec
from assistant.engine import Constraint, Engine, Sampling, Turn
from assistant.engine.constrained import MOST_CHARS
from assistant.engine.likelihood import log_likelihoods
from assistant.errors import InputError
from tests import tiny


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(str(tiny.directory()))


def spec(name: str, required: tuple[str, ...] = (), **properties: Any) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name, f"Do {name}.", json.dumps(schema))


IMAGE = {"type": "string", "format": "image-id"}
ASK = spec("ask_image", ("image", "question"), image=IMAGE, question={"type": "string"})
SEARCH = spec("search", ("query",), query={"type": "string"}, limit={"type": "integer"})
LOOK = spec("look", (), image=IMAGE, kind={"enum": ["near", "far"]})
TOOLS = (ASK, SEARCH, LOOK)
ASKED = [Turn("user", "What is this?")]


def drawn(engine: Engine, constraint: Constraint, seed: int, most: int = 700) -> str:
    sampling = Sampling(max_tokens=most, temperature=1.0, seed=seed)
    return engine.generate(ASKED, sampling=sampling, constraint=constraint).text


def test_every_call_parses_and_names_what_is_there(engine: Engine) -> None:
    constraint = grammars.decision(TOOLS, ("photo 1", "photo 2"), finish=False, say=False)
    names = set()
    for seed in range(12):
        text = drawn(engine, constraint, seed)
        name, _, arguments = text.removeprefix(desk_prompts.CALL).partition(" ")
        values = json.loads(arguments)
        names.add(name)
        assert name in {tool.name for tool in TOOLS}
        schema = json.loads(next(tool for tool in TOOLS if tool.name == name).schema)
        assert set(schema["required"]) <= set(values) <= set(schema["properties"])
        assert values.get("image", "photo 1") in ("photo 1", "photo 2")
        assert values.get("kind", "near") in ("near", "far")
        assert isinstance(values.get("limit", 1), int)
        assert len(values.get("query", "")) <= grammars.LONGEST_TEXT
        # Written as the prompt writes it, so that its tokens are found again.
        assert len(values.get("question", "")) <= grammars.LONGEST_TEXT
    assert len(names) > 1


def test_a_tool_that_needs_a_photo_cannot_be_called_without_one(engine: Engine) -> None:
    constraint = grammars.decision(TOOLS, (), finish=False, say=False)
    for seed in range(6):
        text = drawn(engine, constraint, seed)
        assert text.startswith(("call search", "call look"))
        assert "image" not in text.partition("{")[2].partition(":")[0]
    only = grammars.decision((ASK,), (), finish=False, say=False)
    assert drawn(engine, only, 0, 40).startswith(desk_prompts.SAY)


def test_the_three_ways_of_a_step(engine: Engine) -> None:
    constraint = grammars.decision((SEARCH,), ())
    starts = {re.match(r"call|answer$|say", drawn(engine, constraint, seed, 40)) for seed in (1, 2)}
    assert None not in starts
    assert drawn(engine, grammars.decision((), (), finish=True, say=False), 0) == "answer"


def test_an_answer_cites_only_what_is_there(engine: Engine) -> None:
    for seed in range(6):
        text = drawn(engine, grammars.answer(2, unknown=False), seed, 500)
        for mark in re.findall(r"\[(.*?)\]", text):
            assert mark in ("1", "2")
    assert drawn(engine, grammars.answer(0), 0) == desk_prompts.UNKNOWN


def test_what_has_no_choice_is_not_chosen(engine: Engine) -> None:
    constraint = Constraint('start: "What colour is the dog?" ("A"|"B")')
    answer = engine.generate(ASKED, constraint=constraint)
    assert answer.text in ("What colour is the dog?A", "What colour is the dog?B")
    assert answer.finish == "stop"
    cut = engine.generate(ASKED, constraint=constraint, sampling=Sampling(max_tokens=3))
    assert cut.finish == "length" and cut.tokens == 3


def test_a_stream_of_a_form_can_be_closed_and_asked_again(engine: Engine) -> None:
    constraint = grammars.decision((SEARCH,), (), finish=False)
    whole = engine.generate(ASKED, constraint=constraint, sampling=Sampling(max_tokens=60)).text
    with engine.stream(ASKED, constraint=constraint) as stream:
        next(stream)
    engine.forget()
    again = engine.stream(ASKED, constraint=constraint, sampling=Sampling(max_tokens=60))
    assert "".join(again) == whole


def test_chances_are_those_of_reading_every_beginning(engine: Engine) -> None:
    starts = ["unknown", "A", "The dog"]
    engine.forget()
    found = engine.chances(ASKED, starts)
    prompt = engine.prompts.build(ASKED, [])
    embeds, mask = engine.padded([prompt])
    ids = [tuple(engine.tokenizer.encode(text, add_special_tokens=False)) for text in starts]
    expected = log_likelihoods(engine.model, embeds, mask, ids)[0].exp()
    assert torch.allclose(torch.tensor(found), expected, rtol=1e-3, atol=1e-7)
    assert all(0 < chance < 1 and math.isfinite(chance) for chance in found)
    assert engine.generate(ASKED, sampling=Sampling(max_tokens=2)).computed == 1
    with pytest.raises(InputError, match="beginnings"):
        engine.chances(ASKED, [""])


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("start: nothing", "cannot be used"),
        ("", "cannot be used"),
        ("start: /" + "a" * MOST_CHARS + "/", "limit"),
    ],
)
def test_a_form_that_cannot_be_used(engine: Engine, grammar: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        engine.generate(ASKED, constraint=Constraint(grammar))


def test_beams_follow_no_form(engine: Engine) -> None:
    with pytest.raises(InputError, match="beams"):
        engine.stream(ASKED, sampling=Sampling(beams=2), constraint=grammars.answer(1))


def test_a_tokenizer_of_another_kind(engine: Engine) -> None:
    from assistant.engine.constrained import Guides

    class Slow:
        eos_token_id = 1

        def __len__(self) -> int:
            return 3

    with pytest.raises(InputError, match="fast tokenizer"):
        Guides(Slow(), 3, [1]).start(Constraint('start: "a"'))


NESTED = {
    "type": "object",
    "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}},
                        "required": ["city"]}},
    "properties": {
        "to": {"$ref": "#/$defs/Place"},
        "photos": {"type": "array", "items": IMAGE, "minItems": 1},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "title": {"type": "string"},
    },
    "required": ["to", "photos", "note", "share"],
}  # fmt: skip


def test_nested_schemas_are_followed(engine: Engine) -> None:
    tool = ToolSpec.of({"function": {"name": "send-it", "parameters": NESTED}})
    constraint = grammars.decision((tool,), ("photo 1",), finish=False, say=False)
    for seed in range(4):
        text = drawn(engine, constraint, seed, 900)
        values = json.loads(text.removeprefix("call send-it "))
        assert isinstance(values["to"]["city"], str)
        assert set(values["photos"]) == {"photo 1"}
        assert len(values["photos"]) <= grammars.MOST_ITEMS
        assert 0 <= values["share"] <= 1
    assert tool.images() == {"photos"}
    assert tool.line.arguments == ("to", "photos", "note", "share", "title?")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(("}}},
        {"type": "object", "properties": {"a": {"type": "no such type"}}},
        {"type": "object", "properties": {"a": True}},
        {},
    ],
)
def test_a_strange_schema_still_gives_json(engine: Engine, schema: dict[str, Any]) -> None:
    tool = ToolSpec("odd", "", json.dumps(schema))
    constraint = grammars.decision((tool,), (), finish=False, say=False)
    text = drawn(engine, constraint, 3, 120)
    assert text.startswith("call odd ")


def test_names_that_look_like_grammar_are_names(engine: Engine) -> None:
    tool = spec('a"b|c', (), x={"enum": ['"quoted"', "[1]\nnew"]})
    text = drawn(engine, grammars.decision((tool,), (), finish=False, say=False), 1, 80)
    assert text.startswith('call a"b|c {')
    assert json.loads(text.removeprefix('call a"b|c ')).get("x", "[1]\nnew") in (
        '"quoted"', "[1]\nnew",
    )  # fmt: skip


@pytest.mark.weights
def test_the_embedded_model_untrained_for_it_still_calls_what_is_there() -> None:
    engine = Engine.load("embedded")
    constraint = grammars.decision(TOOLS, ("photo 1",), finish=False, say=False)
    lines = desk_prompts.decision(
        [tool.line for tool in TOOLS], [desk_prompts.Exchange("What is this?", (1,))]
    )
    turns = [Turn(role, text) for role, text in lines]
    answer = engine.generate(turns, sampling=Sampling(max_tokens=300), constraint=constraint)
    name, _, arguments = answer.text.removeprefix("call ").partition(" ")
    assert name in {tool.name for tool in TOOLS}
    assert json.loads(arguments).get("image", "photo 1") == "photo 1"
