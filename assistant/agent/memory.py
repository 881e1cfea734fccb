"""Long conversations: what is old is summed up, and which photos were spoken of is kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from langchain.agents.middleware import AgentState, SummarizationMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, RemoveMessage
from langgraph.runtime import Runtime

from assistant.agent.people import transcript_of
from assistant.chat_model import ChatLlava
from assistant.chat_model.reading import image_ids
from assistant.tools.clean import as_line

KEPT_MESSAGES: Final = 24
"""More than one question with all its tools can make."""

_LINES: Final = 12
_LOG = logging.getLogger(__name__)


class Memory(SummarizationMiddleware[Any, Any]):
    """LangChain's summaries, with the photos in them.

    The embedded model is too small to sum up: its conversations are cut to their questions and
    answers. So is one whose model fails: a summary must not cost the answer.
    """

    def __init__(self, model: BaseChatModel, *, tokens: int) -> None:
        own = digest if isinstance(model, ChatLlava) else None
        super().__init__(
            model, trigger=("tokens", tokens), keep=("messages", KEPT_MESSAGES), summarizer=own
        )
        # A customer waits: a model that fails is not asked again.
        self._summary_model = model

    def before_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Sum up where it is time to, keeping the photos of what goes."""
        update = super().before_model(state, runtime)
        if update is None:
            return None
        staying = {id(message) for message in update["messages"]}
        going = [message for message in state["messages"] if id(message) not in staying]
        photos = image_ids(going)
        for place, message in enumerate(update["messages"]):
            if isinstance(message, RemoveMessage) or not photos:
                continue
            update["messages"][place] = with_photos(message, photos)
            break
        return update

    def _create_summary(self, messages_to_summarize: list[Any]) -> str:
        try:
            return super()._create_summary(messages_to_summarize)
        except Exception:
            _LOG.warning("A conversation could not be summed up by its model", exc_info=True)
            return digest(messages_to_summarize)


def digest(messages: Sequence[BaseMessage]) -> str:
    """The last questions and answers, a line each."""
    lines = [f"{said['role']}: {as_line(said['text'], 200)}" for said in transcript_of(messages)]
    return "\n".join(lines[-_LINES:]) or "Nothing was said."


def with_photos(summary: BaseMessage, photos: Sequence[str]) -> HumanMessage:
    """A summary that still holds the photos, in the order in which they came."""
    named = ", ".join(f"photo {number}" for number in range(1, len(photos) + 1))
    return HumanMessage(
        content=[
            {"type": "text", "text": f"{summary.text}\n\nPhotos so far: {named}."},
            *({"type": "image", "file_id": photo} for photo in photos),
        ],
        additional_kwargs=dict(summary.additional_kwargs),
        id=summary.id,
    )
