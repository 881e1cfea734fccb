"""Before and after the model: who is asked for, in which language, and that nothing is unsaid."""

from __future__ import annotations

import re
from typing import Any, Final

from langchain.agents.middleware import AgentMiddleware, hook_config
from langgraph.runtime import Runtime

from assistant.agent.people import People
from assistant.agent.state import (
    ABOUT,
    DeskState,
    Turn,
    answer_message,
    final_answer,
    last_question,
    said_by,
)
from assistant.handover import asks_for_person, listed_topic
from assistant.languages import language_of, say
from assistant.settings import Settings

# Fewer letters tell no language: "ok", "Merlot?".
_TELLING: Final = 8
_YES: Final = re.compile(
    r"\W*(?:(?:yes|yeah|yep|sure|ok(?:ay)?|please do|do it|go ahead|s[ií]|claro|por favor|ja|gern"
    r"e?|bitte|oui|volontiers|d'accord|好的?|是的?|可以|请转|需要|要的?)[\s,.!\uff0c\u3002\uff01]*)+"
    r"(?:please|thanks?|thank you|por favor|gracias|bitte|danke|s'il vous pla[iî]t|merci|谢谢)?\W*",
    re.IGNORECASE,
)


class Front(AgentMiddleware[DeskState, Turn, Any]):
    """Receives each question, and sees to it that the customer is told something.

    Args:
        english_only: the model knows no other language.
    """

    state_schema = DeskState

    def __init__(self, people: People, settings: Settings, *, english_only: bool) -> None:
        super().__init__()
        self._people, self._settings, self._english_only = people, settings, english_only

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: DeskState, runtime: Runtime[Turn]) -> dict[str, Any] | None:
        """Answer what needs no model: who asks for a person, and what it could not read."""
        messages = state["messages"]
        question = last_question(messages)
        text = said_by(question) if question is not None else ""
        language = language_in(text, state.get("language", "en"))
        turn: Turn = runtime.context
        told = self._people.added(turn, messages, language)
        if told is None and (kind_reason := self._wanted(text, state)) is not None:
            kind, reason = kind_reason
            told = self._people.handed_over(turn, kind, reason, messages, language)
        if told is not None:
            return {
                "messages": [told], "language": language, "failures": 0, "offered": False,
                "jump_to": "end",
            }  # fmt: skip
        if self._english_only and language != "en":
            told = answer_message(say("english_only", language), "abstained")
            return {"messages": [told], "language": language, "offered": True, "jump_to": "end"}
        return {"language": language}

    def after_agent(self, state: DeskState, runtime: Runtime[Turn]) -> dict[str, Any] | None:
        """Count failures, call a person after too many, and replace what is no answer."""
        messages, language = state["messages"], state.get("language", "en")
        answer = final_answer(messages)
        if answer is None or ABOUT not in answer.additional_kwargs:
            # A limit was reached, or the model gave up without a word.
            id = answer.id if answer is not None else None
            answer = answer_message(say("failed", language), "abstained", failed=True, id=id)
        outcome = answer.additional_kwargs[ABOUT]["outcome"]
        if outcome != "abstained" or answer.additional_kwargs[ABOUT].get("counts") is False:
            return {"messages": [answer], "failures": 0, "offered": False}
        failures = state.get("failures", 0) + 1
        limit = self._settings.handover_after
        if not limit or failures < limit:
            return {"messages": [answer], "failures": failures, "offered": True}
        told = self._people.handed_over(
            runtime.context,
            "failures",
            f"{failures} questions in a row could not be answered.",
            messages,
            language,
        )
        told.id = answer.id
        return {"messages": [told], "failures": 0, "offered": False}

    def _wanted(self, text: str, state: DeskState) -> tuple[Any, str] | None:
        """The kind of ticket that a question asks for by itself, and why."""
        if asks_for_person(text):
            return "asked", "The customer asked for a person."
        if state.get("offered") and _YES.fullmatch(text):
            return "asked", "The customer took up the offer of a person."
        topic = listed_topic(
            text, self._settings.handover_topics, questions=self._settings.handover_questions
        )
        if topic is not None:
            return "topic", f"The customer writes about a listed topic: {topic}."
        return None


def language_in(text: str, before: str) -> str:
    """The language of a question; what is too short to tell is in that of the one before."""
    letters = sum(2 if ord(letter) > 0x2E7F else 1 for letter in text if letter.isalpha())
    if not letters or (letters < _TELLING and before != "en"):
        return before
    return language_of(text)
