"""Cases through the agent: every turn of each, in a thread of its own.

It knows the agent by its interface only: `ask` gives events, of which some are calls (`name`,
`args`) or their ends (`name`, `text`, `seconds`), and the last holds the reply.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from adapters.agent_cases.cases import Case
from adapters.agent_cases.judging import FAILED, Judged, Observed, judge
from adapters.rows import bad_row
from adapters.samples import opened_predictions
from assistant.errors import ImageError, InputError, SightdeskError
from assistant.images import open_image
from assistant.sources import Source
from assistant.store import Store
from assistant.tools import build_tools
from assistant.tools.build import IMAGE_ID
from assistant.tools.desk import Desk


class Reply(Protocol):
    """What the agent answers a turn with."""

    @property
    def answer(self) -> str: ...
    @property
    def citations(self) -> Sequence[Source]: ...
    @property
    def tools(self) -> Sequence[str]: ...
    @property
    def outcome(self) -> str: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...


class Agent(Protocol):
    """What is measured."""

    def ask(self, thread_id: str, text: str, images: Sequence[str] = ()) -> Iterator[Any]:
        """Events of one turn."""


def run_cases(
    cases: Sequence[Case],
    agent: Agent,
    desk: Desk,
    *,
    predictions: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Judged]:
    """Yield each case with what came of it, in order.

    Args:
        cases: from `read_cases`, or some of them.
        agent: opened on the desk.
        desk: whose store takes pictures and threads; see `open_desk`.
        predictions: a line is written, and flushed, as soon as a case is done: whatever ends the
            run, what was done is there.
        progress: called with (cases done, cases in all).

    Raises:
        DataError: a picture of a case cannot be opened.
        InputError: the predictions cannot be written.
    """
    files = {case.where.rpartition(":")[0] for case in cases}
    read = [Path(file) for file in files if file]
    with opened_predictions(predictions, read, "cases") as out:
        progress(0, len(cases))
        for done, case in enumerate(cases, start=1):
            judged = judge(case, _run(case, agent, desk))
            if out is not None:
                out.write(json.dumps(judged.prediction(), ensure_ascii=False) + "\n")
                out.flush()
            yield judged
            progress(done, len(cases))


def _run(case: Case, agent: Agent, desk: Desk) -> Observed:
    """All turns of a case; an error ends it, and is its answer."""
    thread = desk.store.create_thread().id
    images: list[str] = []
    observed = Observed("", outcome=FAILED)
    labelled: list[str] = []
    for turn in case.turns:
        arrived = [_put(case, image, desk.store) for image in turn.images]
        images += arrived
        started = time.perf_counter()
        try:
            events = agent.ask(thread, turn.text, tuple(arrived))
            observed = _observe(events, desk, images, started)
        except Exception as error:  # the other cases go on, and this one counts as failed
            said = str(error) if isinstance(error, SightdeskError) else f"{type(error).__name__}: "
            said += "" if isinstance(error, SightdeskError) else str(error)
            return Observed(said, outcome=FAILED, seconds=time.perf_counter() - started)
        labelled += observed.labelled
    return replace(observed, labelled=tuple(labelled))


def _observe(events: Iterable[Any], desk: Desk, images: Sequence[str], started: float) -> Observed:
    calls: list[tuple[str, Mapping[str, Any]]] = []
    labelled: list[str] = []
    reply: Reply | None = None
    for event in events:
        if hasattr(event, "reply"):
            reply = event.reply
        elif hasattr(event, "args"):
            calls.append((event.name, event.args))
        elif hasattr(event, "seconds") and getattr(event, "name", "") == "label_image":
            labelled.append(str(event.text))
    if reply is None:
        raise InputError("The agent ended without a reply.")
    pictures = _argument_names(desk)
    known = {*images, *desk.product_images()}
    unreal = [
        f"{name}({json.dumps(args, ensure_ascii=False, default=str)})"
        for name, args in calls
        if not _is_real(name, args, pictures, known)
    ]
    return Observed(
        reply.answer,
        tuple(reply.citations),
        tuple(reply.tools),
        reply.outcome,
        time.perf_counter() - started,
        len(calls),
        tuple(unreal),
        dict(reply.seconds),
        tuple(labelled),
    )


def _argument_names(desk: Desk) -> dict[str, dict[str, bool]]:
    """For each tool its arguments, and whether one names a picture."""
    found: dict[str, dict[str, bool]] = {}
    for tool in build_tools(desk):
        properties = tool.get_input_jsonschema().get("properties", {})
        found[tool.name] = {
            name: about.get("format") == IMAGE_ID for name, about in properties.items()
        }
    return found


def _is_real(
    name: str, args: Any, tools: Mapping[str, Mapping[str, bool]], known: Iterable[str]
) -> bool:
    """Whether a call names a tool, its arguments and pictures that exist."""
    if name not in tools or not isinstance(args, Mapping) or not args.keys() <= tools[name].keys():
        return False
    named = [str(value) for key, value in args.items() if tools[name][key] and value]
    return all(
        re.fullmatch(r"[0-9a-f]{8,64}", image) and any(each.startswith(image) for each in known)
        for image in named
    )


def _put(case: Case, image: str, store: Store) -> str:
    try:
        opened = open_image(case.path(image))
    except ImageError as error:
        raise bad_row(
            case.where,
            f"the image {image!r} cannot be used ({str(error).rstrip('.')}), replace it",
        ) from error
    return store.put_image(opened, name=Path(image).name).id
