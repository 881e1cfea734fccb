"""Forms, labels, candidates and chances from a server elsewhere, told or guessed at honestly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from assistant.chat_model import grammars
from assistant.engine import Constraint, Sampling, Turn
from assistant.errors import InputError, RemoteError
from assistant.labelling import Labelled
from assistant.remote import RemoteEngine, forms
from assistant.remote.address import parse
from assistant.remote.choosing import MOST_LABELS, NONE
from assistant.remote.client import Client
from tests import tiny
from tests.openai_server import Reply, Script, Served, openai_server, refusal, reply

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ripe": {"type": "boolean"}},
    "required": ["name", "ripe"],
}
GOOD = '{"name": "apple", "ripe": true}'
ASKED = [Turn("user", "What is it?")]


def asked(
    *replies: Script, of: Callable[[RemoteEngine], Any], taught: bool = True
) -> tuple[Any, Served]:
    """What an engine makes of a server's replies, and what the server was asked."""
    with openai_server(*replies) as served:
        address = parse(served.base)
        client = Client(address, first_s=5.0, tries=1)
        if not taught:
            client.dialect.lacks("logprobs", "top_logprobs")
        with RemoteEngine(address, client=client) as engine:
            return of(engine), served


# --- forms


@pytest.mark.parametrize(
    "said",
    [GOOD, f"```json\n{GOOD}\n```", f" \n{GOOD}\n", '{"name":"apple","ripe":true}',
     '{\n  "name": "apple",\n  "ripe": true\n}'],
    ids=["plain", "fenced", "spaces", "tight", "pretty"],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_json_of_a_schema_is_asked_for_by_it(said: str, stream: bool) -> None:
    def of(engine: RemoteEngine) -> str:
        constraint = grammars.json_object(SCHEMA)
        if stream:
            return "".join(engine.stream(ASKED, constraint=constraint))
        return engine.generate(ASKED, constraint=constraint).text

    text, served = asked(reply(said), of=of)
    assert text == GOOD and len(served.asked) == 1
    form = served.asked[0]["response_format"]
    assert form["type"] == "json_schema" and "x-guidance" not in json.dumps(form)
    assert form["json_schema"]["schema"]["required"] == ["name", "ripe"]
    assert form["json_schema"]["strict"] is True


def test_what_has_not_its_form_is_asked_for_again_and_no_reader_sees_it() -> None:
    replies = [reply("I think it is an apple."), reply('{"name": "apple"}'), reply(GOOD)]
    pieces, served = asked(
        *replies,
        of=lambda engine: list(engine.stream(ASKED, constraint=grammars.json_object(SCHEMA))),
    )
    assert pieces == [GOOD]
    assert [body["temperature"] for body in served.asked] == [0.0, 0.4, 0.4]
    assert [body.get("seed") for body in served.asked] == [None, 1, 2]


def test_a_model_that_keeps_to_no_form() -> None:
    with pytest.raises(RemoteError, match="does not keep to the form"):
        asked(
            reply("An apple."),
            of=lambda engine: engine.generate(ASKED, constraint=grammars.json_object(SCHEMA)),
        )


def test_a_server_that_knows_no_forms_is_asked_without() -> None:
    def picky(body: dict[str, Any]) -> Reply:
        if "response_format" in body:
            return refusal(400, "response_format of type json_schema is not supported")
        return reply(GOOD)

    answer, served = asked(
        picky, of=lambda engine: engine.generate(ASKED, constraint=grammars.json_object(SCHEMA))
    )
    assert answer.text == GOOD and len(served.asked) == 2


def test_a_form_that_is_cut_off_has_it_as_far_as_it_goes() -> None:
    answer, _ = asked(
        reply('{"name": "app', end="length"),
        of=lambda engine: engine.generate(ASKED, constraint=grammars.json_object(SCHEMA)),
    )
    assert answer.text == '{"name": "app' and answer.finish == "length"


TOOL = grammars.ToolSpec("search", "Looks things up.", json.dumps({
    "type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"],
}))  # fmt: skip
CALL = '<tool_call>{"name": "search", "arguments": {"query": "delivery"}}</tool_call>'


@pytest.mark.parametrize(
    ("said", "tries"),
    [([CALL], 1), (["We deliver."], 1), (["<tool_call>{}</tool_call>", CALL], 2),
     ([CALL.replace("search", "erase"), CALL], 2)],
    ids=["call", "words", "broken", "unknown"],
)  # fmt: skip
def test_grammars_that_are_no_schema_are_checked_afterwards(said: list[str], tries: int) -> None:
    constraint = grammars.hermes((TOOL,), ())
    answer, served = asked(
        *map(reply, said), of=lambda engine: engine.generate(ASKED, constraint=constraint)
    )
    assert answer.text == said[-1] and len(served.asked) == tries
    assert "response_format" not in served.asked[0]


def test_forms_that_cannot_be_used() -> None:
    for ask in ("generate", "stream"):
        with pytest.raises(InputError, match="beams=1"):
            asked(
                reply("x"),
                of=lambda engine, ask=ask: getattr(engine, ask)(  # type: ignore[misc]
                    ASKED, constraint=Constraint("start: /x/"), sampling=Sampling(beams=2)
                ),
            )
    with pytest.raises(InputError, match="cannot be used"):
        forms.formed("x", Constraint("start: nonsense("), cut=False)
    with pytest.raises(InputError, match="limit is"):
        forms.formed("x", Constraint("start: /x/ " * 50_000), cut=False)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [({"type": "object", "properties": {"a": {}}, "required": []}, False),
     ({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}, False),
     ({"type": "string"}, True)],
)  # fmt: skip
def test_only_what_is_strict_is_called_so(schema: dict[str, Any], strict: bool) -> None:
    form = forms.response_format(Constraint(f"start: %json {json.dumps(schema)}"))
    assert form is not None and form["json_schema"]["strict"] is strict


# --- labels


def label(labels: list[str], **options: Any) -> Callable[[RemoteEngine], Labelled]:
    def of(engine: RemoteEngine) -> Labelled:
        picture = engine.encode_image(tiny.picture(1))
        (found,) = engine.label([picture], labels=labels, **options)
        return found

    return of


def lettered(shares: dict[str, float]) -> Script:
    """Answers by letter, as the options of the question have it."""

    def script(body: dict[str, Any]) -> Reply:
        text = body["messages"][0]["content"][-1]["text"]
        options = dict(re.findall(r"^([A-Z])\. (.+)$", text, re.MULTILINE))
        told = {letter: shares[name] for letter, name in options.items() if name in shares}
        return reply(max(told, key=lambda letter: told[letter]), chances=[told])

    return script


def test_labels_by_the_chances_of_letters() -> None:
    script = lettered({"apple": 0.6, "Golden Delicious": 0.2, "pear": 0.1, NONE: 0.05})
    found, served = asked(script, of=label(["Golden-Delicious", "apple", "pear"]))
    assert found.label == "apple" and found.coarse is None
    assert math.isclose(found.confidence, 0.6 / 0.95)
    assert [name for name, _ in found.scores] == ["apple", "Golden-Delicious", "pear"]
    (body,) = served.asked
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("shares", "threshold", "given"),
    [({"apple": 0.3, "pear": 0.1, NONE: 0.6}, None, None),
     ({"apple": 0.45, "pear": 0.4, NONE: 0.15}, None, None),
     ({"apple": 0.45, "pear": 0.4, NONE: 0.15}, 0.4, "apple"),
     ({"apple": 0.9, "pear": 0.1, NONE: 0.0001}, 0.95, None)],
    ids=["none", "unsure", "lower", "higher"],
)  # fmt: skip
def test_none_of_these(
    shares: dict[str, float], threshold: float | None, given: str | None
) -> None:
    found, _ = asked(lettered(shares), of=label(["apple", "pear"], threshold=threshold))
    assert found.label == given and found.scores[0][0] == "apple"
    assert found.confidence == found.scores[0][1]


def test_a_long_list_is_asked_in_parts() -> None:
    labels = [f"thing {number}" for number in range(100)]
    script = lettered({"thing 73": 0.5, "thing 5": 0.3, NONE: 0.1} | {
        name: 0.001 for name in labels if name not in ("thing 73", "thing 5")
    })  # fmt: skip
    found, served = asked(script, of=label(labels, top=2))
    assert found.label == "thing 73" and [name for name, _ in found.scores] == [
        "thing 73", "thing 5",
    ]  # fmt: skip
    assert len(served.asked) < 10  # six parts, and a last one or two
    assert all(body["max_tokens"] == 1 for body in served.asked)


VOTES = ['{"label": "apple"}', '{"label": "apple"}', '{"label": "pear"}']


@pytest.mark.parametrize(
    ("votes", "given", "share"),
    [(VOTES, "apple", 2 / 3), (['{"label": "apple"}'], "apple", 1.0),
     (['{"label": "apple"}', '{"label": "pear"}', '{"label": "fig"}'], None, 1 / 3),
     (['{"label": "none of these"}'], None, 0.0),
     (["It is an apple.", "APPLE", "An apple!"], "apple", 1.0),
     (["Perhaps an apple or a pear"], None, 0.0),
     (["[1, 2"], None, 0.0), (["null"], None, 0.0), ([""], None, 0.0),
     (["a green apple"], "green apple", 1.0)],
    ids=["two", "all", "unsure", "none", "words", "both", "broken", "null", "nothing", "longest"],
)  # fmt: skip
def test_labels_by_votes_where_no_chances_are_told(
    votes: list[str], given: str | None, share: float
) -> None:
    labels = ["apple", "pear", "fig", *(["green apple"] if given == "green apple" else [])]
    found, served = asked(*map(reply, votes), of=label(labels), taught=False)
    assert found.label == given and math.isclose(found.confidence, share)
    assert len(served.asked) == 3
    schema = served.asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == [*labels, NONE]


def test_a_server_that_keeps_its_chances_is_asked_for_them_once() -> None:
    def twice(engine: RemoteEngine) -> list[Labelled]:
        return [label(["apple", "pear"])(engine) for _ in range(2)]

    found, served = asked(reply('{"label": "apple"}'), of=twice)
    assert [each.label for each in found] == ["apple", "apple"]
    assert [body.get("logprobs") for body in served.asked].count(True) == 1


def test_a_model_that_answers_no_letter_is_asked_for_votes() -> None:
    script = [reply("The", chances=[{"The": 0.99, "A": 0.01}]), reply('{"label": "pear"}')]
    found, _ = asked(*script, of=label(["apple", "pear"]))
    assert found.label == "pear" and found.confidence == 1.0


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [([], {}, "0 labels"), ("apple", {}, "one text"), ([" "], {}, "cannot be used"),
     (["x" * 201], {}, "200 characters"), (["a"], {"threshold": 1.5}, "between 0 and 1"),
     ([str(number) for number in range(MOST_LABELS + 1)], {}, "give fewer")],
    ids=["empty", "text", "blank", "long", "threshold", "many"],
)  # fmt: skip
def test_lists_that_cannot_be_used(labels: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked(reply("x"), of=label(labels, **options))


def test_what_a_picture_shows_in_the_models_own_words() -> None:
    def of(engine: RemoteEngine) -> list[Labelled]:
        return engine.recognise([engine.encode_image(tiny.picture(1))])

    chances = [{" Granny": 0.8}, {" Smith": 0.9}]
    (found,), served = asked(reply("A Granny Smith.", chances=chances), of=of)
    assert found.label == "granny smith" and math.isclose(found.confidence, 0.72)
    (found,), served = asked(*map(reply, ["An apple", "apple", "a pear"]), of=of, taught=False)
    assert found.label == "apple" and math.isclose(found.confidence, 2 / 3)
    assert len(served.asked) == 3
    (found,), _ = asked(*map(reply, ["", ".", "the"]), of=of, taught=False)
    assert found.label is None and found.confidence == 0.0


def test_without_a_list_it_says_what_it_sees() -> None:
    def of(engine: RemoteEngine) -> list[Labelled]:
        return engine.label([engine.encode_image(tiny.picture(1))])

    (found,), _ = asked(reply("banana"), of=of, taught=False)
    assert found.label == "banana"


# --- candidates and chances


def described(mode: Any, **options: Any) -> Callable[[RemoteEngine], Any]:
    return lambda engine: engine.describe(
        [engine.encode_image(tiny.picture(1))], mode=mode, **options
    )


def test_descriptions_in_each_mode() -> None:
    (answer,), served = asked(reply("A dog runs."), of=described("greedy", detail="short"))
    assert answer.text == "A dog runs." and served.asked[0]["temperature"] == 0
    assert served.asked[0]["messages"][0]["content"][1]["text"].endswith("a few words.")
    (answer,), served = asked(reply("A dog runs."), of=described("sample", seed=5))
    assert (served.asked[0]["temperature"], served.asked[0]["seed"]) == (0.7, 5)
    for wrong in ({"mode": "best"}, {"mode": "greedy", "detail": "long"}):
        with pytest.raises(InputError, match="give one of"):
            asked(reply("x"), of=described(**wrong))


def test_the_likeliest_of_several_in_place_of_beams() -> None:
    def by_seed(body: dict[str, Any]) -> Reply:
        seed = body.get("seed", 0)
        return reply(f"Text {seed}.", chances=[{"Text": 0.9 if seed == 8 else 0.2}, {"x": 0.5}])

    (answer,), served = asked(by_seed, of=described("beam", seed=7))
    assert answer.text == "Text 8." and len(served.asked) == 4
    text, _ = asked(
        by_seed, of=lambda engine: "".join(engine.stream(ASKED, sampling=Sampling(beams=3, seed=8)))
    )
    assert text == "Text 8."


def test_the_one_that_the_others_agree_with() -> None:
    texts = {0: "A cat sits.", 1: "A dog runs on grass.", 2: "A dog runs on the grass.",
             3: "A dog runs.", 4: "Nonsense here.", 5: "A dog runs on grass."}  # fmt: skip

    def by_seed(body: dict[str, Any]) -> Reply:
        return reply(texts[body["seed"]] if body["temperature"] else texts[0])

    (answer,), served = asked(by_seed, of=described("rerank", seed=0))
    assert answer.text == "A dog runs on grass." and len(served.asked) == 7
    found, _ = asked(
        by_seed,
        of=lambda engine: engine.candidates(engine.encode_image(tiny.picture(1)), seed=0),
    )
    assert {text for text, _ in found} == set(texts.values())
    assert all(evidence.seen == 0 and evidence.habit == 0 for _, evidence in found)


def test_a_candidate_that_fails_does_not_fail_the_others() -> None:
    def some(body: dict[str, Any]) -> Reply:
        return refusal(500, "no") if body.get("seed") == 3 else reply("A dog runs.")

    (answer,), _ = asked(some, of=described("rerank", seed=0))
    assert answer.text == "A dog runs."
    with pytest.raises(RemoteError, match="HTTP 500"):
        asked(refusal(500, "no"), of=described("rerank"))


def test_how_likely_an_answer_begins_so() -> None:
    def of(engine: RemoteEngine) -> list[float]:
        return engine.chances(ASKED, ["unknown", "Yes", "No, it is not"])

    told = {"unk": 0.3, " unknown": 0.1, "Yes": 0.25, "No": 0.2, "un": 0.05}
    found, served = asked(reply("unk", chances=[told]), of=of)
    assert [round(share, 6) for share in found] == [0.45, 0.25, 0.2]
    assert served.asked[0]["max_tokens"] == 1
    votes = ["unknown", "unknown", "Yes, it is.", "No, it is not so.", "No."]
    found, served = asked(*map(reply, votes), of=of, taught=False)
    assert found == [0.4, 0.2, 0.2]
    assert sorted(body["seed"] for body in served.asked) == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="empty"):
        asked(reply("x"), of=lambda engine: engine.chances(ASKED, ["a", " "]))
