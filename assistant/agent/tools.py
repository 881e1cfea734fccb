"""Tools as the agent runs them: aside, timed, one at a time for the same words, never raising."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from assistant.agent.state import DeskState, Turn
from assistant.chat_model.reading import image_ids, text_of, turn_messages
from assistant.errors import SightdeskError
from assistant.sources import Source
from assistant.tools.clean import MODEL_CHARS, as_data, as_line

RESULT_CHARS: Final = 6_000
"""Characters of a foreign tool's result that are kept."""

REPEATED: Final = "This was done before, and its result is above; answer from it."
STOPPED: Final = "The customer stopped the answer."

_GRACE_S: Final = 5.0
_LOG = logging.getLogger(__name__)
_shown: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("shown", default=())


class ShownImages(Sequence[str]):
    """The pictures of the conversation whose tool is at work."""

    def __len__(self) -> int:
        return len(_shown.get())

    def __getitem__(self, place: Any) -> Any:
        return _shown.get()[place]

    def __iter__(self) -> Iterator[str]:
        return iter(_shown.get())

    def __contains__(self, image: object) -> bool:
        return image in _shown.get()


class RunsTools(AgentMiddleware[DeskState, Turn, Any]):
    """Runs each tool call and tells the reader of it.

    Args:
        timeout_s: after which a tool is not waited for any more.
    """

    state_schema = DeskState

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """The result, or a sentence about why there is none."""
        call, messages = request.tool_call, request.state["messages"]
        turn = cast(Turn, request.runtime.context)
        write = request.runtime.stream_writer
        if turn.cancelled.is_set():
            return failed(call, STOPPED, ran=False)
        if is_repeated(call, messages):
            return failed(call, REPEATED, ran=False)
        write({"started": {"name": call["name"], "args": _named_images(call["args"], messages)}})
        began = time.perf_counter()
        token = _shown.set(tuple(image_ids(messages)))
        try:
            result = self._run(request, handler)
        finally:
            _shown.reset(token)
        seconds = time.perf_counter() - began
        if isinstance(result, ToolMessage):
            result = bounded(result)
            text = text_of(result)[:MODEL_CHARS]
            write({"ended": {
                "name": call["name"], "text": text, "seconds": seconds, "trouble": _trouble(result),
            }})  # fmt: skip
        return result

    def _run(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """The desk's tools watch their time themselves; a user's may hang."""
        call = request.tool_call
        found: list[ToolMessage | Command[Any]] = []
        lost: list[BaseException] = []
        context = contextvars.copy_context()

        def work() -> None:
            try:
                found.append(context.run(handler, request))
            except BaseException as error:
                lost.append(error)

        worker = threading.Thread(target=work, name=f"call {call['name']}", daemon=True)
        worker.start()
        worker.join(self._timeout_s + _GRACE_S)
        if found:
            return found[0]
        if not lost:
            return failed(
                call, f"{call['name']} took longer than {self._timeout_s:g} seconds; go on "
                "without it.", trouble="timeout",
            )  # fmt: skip
        error = lost[0]
        if isinstance(error, GraphBubbleUp) or not isinstance(error, Exception):
            raise error
        if isinstance(error, SightdeskError):
            return failed(call, as_line(str(error), 300))
        _LOG.error("The tool %s failed", call["name"], exc_info=error)
        return failed(call, f"{call['name']} failed; go on without it.")


def is_repeated(call: Any, messages: Sequence[BaseMessage]) -> bool:
    """Whether the same tool was called with the same arguments before in this turn."""
    wanted = _key(call)
    for message in turn_messages(messages):
        if isinstance(message, AIMessage):
            for other in message.tool_calls:
                if other["id"] == call["id"]:
                    return False
                if _key(other) == wanted:
                    return True
    return False


def repeats(messages: Sequence[BaseMessage]) -> bool:
    """Whether the model has called a tool again in this turn for what it had been told."""
    return any(
        isinstance(message, ToolMessage) and message.content == REPEATED
        for message in turn_messages(messages)
    )


def failed(call: Any, text: str, *, ran: bool = True, trouble: str = "failed") -> ToolMessage:
    """A result that says why there is none."""
    return ToolMessage(
        content=text,
        name=call["name"],
        tool_call_id=call["id"],
        status="error",
        artifact={"sources": [], "trouble": trouble},
        additional_kwargs={"ran": ran},
    )


def bounded(message: ToolMessage) -> ToolMessage:
    """A result as text that is not too long, with what it rests on.

    What a foreign tool says is cleaned of all that could be taken for a mark of the chat, and can
    be cited by the tool's name. Bytes (such a tool may return a picture) do not enter the
    conversation.
    """
    artifact = message.artifact if isinstance(message.artifact, dict) else {}
    try:
        json.dumps(artifact)
    except (TypeError, ValueError):
        artifact = {}
    text = text_of(message)
    if "sources" in artifact:
        text = text[:RESULT_CHARS]
    else:
        text = as_data(text, RESULT_CHARS)
        sources = []
        if message.status != "error" and text:
            name = str(message.name)
            source = Source("passage", f"{name}:{message.tool_call_id}", name, text, origin=name)
            sources = [source.to_dict()]
        artifact = {**artifact, "sources": sources}
    return message.model_copy(update={"content": text, "artifact": artifact})


def _trouble(message: ToolMessage) -> str:
    """Of which kind the trouble was; empty where there was none."""
    artifact = message.artifact if isinstance(message.artifact, dict) else {}
    return str(artifact.get("trouble") or ("failed" if message.status == "error" else ""))


def _key(call: Any) -> str:
    return json.dumps([call["name"], call["args"]], sort_keys=True, default=str)


def _named_images(arguments: dict[str, Any], messages: Sequence[BaseMessage]) -> dict[str, Any]:
    """Arguments with whole image ids in place of their beginnings."""
    ids = image_ids(messages)

    def whole(value: Any) -> Any:
        if not isinstance(value, str) or len(value) < 8:
            return value
        found = [id for id in ids if id.startswith(value)]
        return found[0] if len(found) == 1 else value

    return {name: whole(value) for name, value in arguments.items()}
