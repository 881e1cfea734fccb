"""The agent's memory brought in line with what a page shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from assistant.agent import Agent, Past
from assistant.agent.past import MOST_PAST, realigned
from assistant.agent.state import answer_message
from assistant.settings import Settings
from tests.agent_desk import Shop
from tests.scripted_model import ScriptedChat, call
from tests.test_agent import ITALY, SEARCH, WHERE


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.store.close()


def turn(name: str, answer: str = "Fine.", *, tool: bool = False) -> list[BaseMessage]:
    steps: list[BaseMessage] = []
    if tool:
        steps = [
            call("search_knowledge", f"call-{name}", query=name),
            ToolMessage("found", tool_call_id=f"call-{name}", id=f"tool-{name}"),
        ]
    return [HumanMessage(f"Ask {name}", id=name), *steps, answer_message(answer, "answered")]


def kept(name: str, answer: str = "Fine.") -> Past:
    return Past(name, f"Ask {name}", answer)


def texts(change: dict[str, list[BaseMessage]] | None) -> list[str]:
    assert change is not None
    return [message.text for message in change["messages"][1:]]


def questions(agent: Agent, thread: str = "t") -> list[str]:
    return [message.text for message in agent.messages(thread) if message.type == "human"]


# --- what is to change


def test_what_is_kept_as_it_is_remembered_changes_nothing() -> None:
    messages = [*turn("a", tool=True), *turn("b")]
    assert realigned(messages, [kept("a"), kept("b")]) is None
    assert realigned([], []) is None


def test_what_was_taken_back_goes_with_all_that_came_of_it() -> None:
    messages = [*turn("a", tool=True), *turn("b", tool=True)]
    change = realigned(messages, [kept("a")])
    assert change is not None and change["messages"][1:] == messages[:4]


def test_what_came_from_elsewhere_is_put_in_its_place() -> None:
    past = [kept("a"), Past("p", "What is this?", "A pear.", ("f" * 64,), "photo"), kept("b")]
    change = realigned([*turn("a"), *turn("b")], past)
    assert texts(change) == ["Ask a", "Fine.", "What is this?", "A pear.", "Ask b", "Fine."]
    assert change is not None
    question = change["messages"][3]
    assert question.id == "p" and question.content[1] == {"type": "image", "file_id": "f" * 64}


def test_an_answer_that_was_written_anew_replaces_the_old_one() -> None:
    change = realigned(turn("a", "Old.", tool=True), [kept("a", "New.")])
    assert texts(change) == ["Ask a", "New."]


def test_a_persons_word_has_no_question_and_is_known_again() -> None:
    past = [kept("a"), Past("w", "", "Hello, a person here.", by="person")]
    change = realigned(turn("a"), past)
    assert texts(change) == ["Ask a", "Fine.", "Hello, a person here."]
    assert change is not None
    assert realigned(change["messages"][1:], past) is None


def test_a_question_without_an_answer_is_remembered_for_its_photo() -> None:
    change = realigned([], [Past("a", "", "", ("f" * 64,))])
    assert change is not None and len(change["messages"]) == 2


def test_what_a_summary_stands_for_is_not_brought_back() -> None:
    summary = HumanMessage("In short", id="s", additional_kwargs={"lc_source": "summarization"})
    messages = [summary, AIMessage("the end of a turn", id="x"), *turn("c")]
    past = [kept("a"), kept("b"), kept("c")]
    assert realigned(messages, past) is None
    change = realigned(messages, [*past, kept("d")])
    assert texts(change)[:2] == ["In short", "the end of a turn"]
    assert texts(realigned(messages, past[:2])) == ["Ask a", "Fine.", "Ask b", "Fine."]


def test_of_a_long_conversation_only_the_end_is_taken_over() -> None:
    past = [kept(str(number)) for number in range(MOST_PAST + 10)]
    change = realigned([], past)
    assert len(texts(change)) == 2 * MOST_PAST
    assert change is not None
    assert realigned(change["messages"][1:], past) is None


def test_failures_are_counted_again() -> None:
    failed = [HumanMessage("b", id="b"), answer_message("Sorry.", "abstained")]
    messages = [*turn("a"), *failed, HumanMessage("c", id="c"), *failed[1:], *turn("d")]
    past = [kept("a"), Past("b", "b", "Sorry."), Past("c", "c", "Sorry.")]
    change = realigned(messages, past)
    assert change is not None and (change["failures"], change["offered"]) == (2, True)
    change = realigned(messages, past[:1])
    assert change is not None and (change["failures"], change["offered"]) == (0, False)


# --- in the graph


def test_a_question_is_asked_anew_after_it_was_taken_back(shop: Shop) -> None:
    with shop.agent("Hello! What else?") as agent:
        agent.answer("t", "First", message_id="q-1")
        agent.answer("t", "Second", message_id="q-2")
        past = [Past("q-1", "First", "Hello! What else?")]
        agent.align("t", past)
        assert questions(agent) == ["First"]
        agent.model.replies = [SEARCH, ITALY]  # type: ignore[attr-defined]
        reply = agent.answer("t", WHERE, message_id="q-2")
        assert reply.outcome == "answered" and questions(agent) == ["First", WHERE]


def test_a_conversation_that_began_elsewhere_goes_on(shop: Shop) -> None:
    photo = shop.photo()
    model = ScriptedChat(replies=[call("label_image", image=photo), "unknown"])
    with shop.driven(model) as agent:
        agent.align("t", [Past("p", "What is this?", "An apple.", (photo,), "photo")])
        agent.answer("t", "Where is it from?", message_id="q")
        assert shop.calls == [("label_image", {"image": photo})], "the photo of before is known"
        assert "An apple." in str(model.asked[0])


def test_aligning_takes_the_count_of_failures_back(shop: Shop) -> None:
    with shop.agent("unknown") as agent:
        first = agent.answer("t", "Question 1 about pears?", message_id="q-1")
        agent.answer("t", "Question 2 about pears?", message_id="q-2")
        agent.align("t", [Past("q-1", "Question 1 about pears?", first.answer)])
        again = agent.answer("t", "Question 3 about pears?", message_id="q-3")
        assert again.outcome == "abstained"
        assert agent.answer("t", "Question 4 about pears?").outcome == "handed_over"


def test_what_a_crash_cut_off_and_nobody_wants_is_not_resumed(shop: Shop) -> None:
    with shop.agent(SEARCH, ITALY) as agent:
        key = agent._key("t")
        graph = agent._graph
        from assistant.agent.state import Turn

        for _ in graph.stream(
            {"messages": [HumanMessage("Cut off", id="q-1")]},
            {"configurable": {"thread_id": key}},
            context=Turn("t", "q-1"),
            stream_mode="updates",
            durability="sync",
        ):
            break
        assert agent._state(key).next
        agent.align("t", [])
        assert agent.resume("t") is None and questions(agent) == []
        agent.model.replies = [SEARCH, ITALY]  # type: ignore[attr-defined]
        assert agent.answer("t", WHERE, message_id="q-2").outcome == "answered"


def test_what_no_model_may_read_is_blackened_in_the_past_as_well() -> None:
    shop = Shop(settings=Settings(pii=("email",)))
    with shop.agent("Hello! What else?") as agent:
        agent.align("t", [Past("p", "I am jo@example.org", "Thanks!", by="photo")])
        agent.answer("t", "hi")
        assert "example.org" not in str(agent.messages("t"))
    shop.store.close()
