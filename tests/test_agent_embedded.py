"""The support agent as it ships, the embedded model with its own adapter, on the demo's shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import assistant.demo
from adapters.agent_cases.desk import open_desk
from assistant.agent import Agent
from assistant.chat_model.grammars import ToolSpec, as_function
from assistant.desk_prompts import decision_system
from assistant.engine import Engine, Sampling, Turn
from assistant.images import open_image
from assistant.settings import Settings
from tests.shipped import composed

pytestmark = pytest.mark.weights

SHOP = Path(assistant.demo.__file__).parent / "shop"


@pytest.fixture(scope="module")
def settings(base_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose cache folder holds the composed base."""
    data = tmp_path_factory.mktemp("data")
    return composed(Settings(cache_dir=base_cache, data_dir=data, device="cpu", quantize="none"))


@pytest.fixture(scope="module")
def agent(settings: Settings) -> Iterator[Agent]:
    """The agent of the demo's shop."""
    engine = Engine.load("embedded", settings=settings)
    with open_desk(SHOP, engine=engine, settings=settings) as desk, Agent.open(desk) as opened:
        yield opened


def test_a_fact_in_words_is_looked_up_and_cited(agent: Agent) -> None:
    reply = agent.answer("words", "Where do your lemons come from?")
    assert reply.tools == ["search_knowledge"]
    assert (reply.outcome, [source.label for source in reply.citations]) == ("answered", ["Lemon"])
    lemon = agent.desk.knowledge.passage(reply.citations[0].id).text  # type: ignore[union-attr]
    country = lemon.split("Country and weight: ")[1].split(",")[0]
    assert country in reply.answer and "[1]" in reply.answer


def test_a_fact_of_a_photo_takes_two_steps_and_cites_both(agent: Agent) -> None:
    store = agent.desk.store
    photo = store.put_image(open_image(SHOP / "pictures" / "Granny-Smith.webp"), name="x")
    reply = agent.answer("photo", "Which country is this from?", [photo.id])
    assert reply.tools == ["label_image", "search_knowledge"]
    assert {source.kind for source in reply.citations} == {"image", "passage"}
    assert {source.label for source in reply.citations} == {"Granny-Smith"}


def test_what_nobody_wrote_down_is_not_made_up(agent: Agent) -> None:
    reply = agent.answer("unknown", "What is the capital of France?")
    assert reply.outcome == "abstained" and not reply.citations
    assert "person" in reply.answer


def test_small_talk_needs_no_tool(agent: Agent) -> None:
    reply = agent.answer("talk", "hello there")
    assert (reply.tools, reply.outcome) == ([], "answered")


def test_an_adapter_goes_on_four_bits_that_have_answered(settings: Settings) -> None:
    """Layers in four bits change their form when they are first used; none may be lost by that."""
    engine = Engine.load("embedded", quantize="nf4", settings=settings)
    turns = [Turn("user", "Write the word yes.")]
    before = engine.generate(turns, sampling=Sampling(8)).text
    engine.generate(turns, sampling=Sampling(4), adapter="agent")
    # Another tenant has none of what was computed before.
    assert engine.generate(turns, sampling=Sampling(8), tenant="other").text == before


def test_the_desks_instructions_are_everybodys_and_no_question_is(agent: Agent) -> None:
    agent.answer("shared", "Where do your lemons come from?")
    engine = agent.desk.loaded_engine()
    specs = [ToolSpec.of(as_function(tool)) for tool in agent.tools]
    system = Turn("system", decision_system([spec.line for spec in specs]))
    question = Turn("user", "Where do your lemons come from?")
    count = len(engine.prompts.beginning([system]))
    keys = engine.prompts.build([system, question], []).keys
    revision = engine.resolve("agent").revision
    assert engine.prefixes.longest((revision, "somebody else"), keys)[0] == count > 100
    assert engine.prefixes.longest((revision, agent.desk.tenant), keys)[0] == len(keys)
