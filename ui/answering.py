"""An answer, from the photos to the last word, kept whatever ends it.

It draws through a `Screen` and knows nothing of Streamlit, which stops a script with a
`BaseException` at the next drawing call: what was written by then is kept in a `finally`.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from assistant.errors import SightdeskError
from ui.conversation import make_turns, pictures_in

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine, Sampling, Turn
    from assistant.evidence import Evidence
    from assistant.store import Exchange, State
    from ui.desk import Desk, Job
    from ui.engine_room import EngineRoom


class Screen(Protocol):
    """Where an answer is drawn while it is written."""

    def waiting(self) -> None:
        """Another conversation has the engine."""

    def looking(self) -> None:
        """The photos are being encoded and the question read."""

    def show(self, text: str) -> None:
        """The answer so far."""


@dataclass
class Written:
    """What came of it."""

    text: str = ""
    state: State = "stopped"
    """Until an answer is complete, it counts as stopped."""
    error: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


def write_answer(
    job: Job,
    desk: Desk,
    engine: Engine,
    room: EngineRoom,
    screen: Screen,
    sampling: Sampling,
) -> None:
    """Write the answer that `job` asks for, and keep it in `desk`, whole or in part.

    Errors that a person can mend become the exchange's error; all others go on to the caller.
    """
    written = Written()
    with desk.busy:
        try:
            turns = _turns(desk, job.exchange, without=job.without)
            _stream(written, turns, desk, engine, room, screen, sampling)
        except SightdeskError as error:
            written.state, written.error = "failed", str(error)
        finally:
            keep(desk, job.exchange, written, again=job.again, without=job.without)


def _turns(desk: Desk, exchange: Exchange, *, without: bool) -> list[Turn]:
    earlier = [e for e in desk.exchanges if e.position < exchange.position]
    last = replace(exchange, used=exchange.images) if without else exchange
    return make_turns([*earlier, last])


def _stream(
    written: Written,
    turns: list[Turn],
    desk: Desk,
    engine: Engine,
    room: EngineRoom,
    screen: Screen,
    sampling: Sampling,
) -> None:
    with room.turn(screen.waiting):
        screen.looking()
        adapter = desk.preferences.adapter or None
        written.details = {
            "model": engine.name,
            "adapter": adapter or engine.adapter,
            "quantization": getattr(engine, "quantization", "none"),
            "temperature": sampling.temperature,
            "seed": sampling.seed,
        }
        began = time.perf_counter()
        wanted = pictures_in(turns)
        fresh = [id for id in wanted if not _seen(id, desk, engine, adapter)]
        images = encode(wanted, desk, engine, adapter)
        if fresh:
            written.details["encode"] = time.perf_counter() - began
        shown = [image for image in images if image.id in turns[-1].images]
        seen = read_evidence(shown, engine)
        if seen:
            written.details["evidence"] = {id: each.to_dict() for id, each in seen.items()}
            turns = _with_hint(turns, list(seen.values()), written)
        asked = time.perf_counter()
        stream = engine.stream(turns, images, sampling=sampling, adapter=adapter)
        try:
            with closing(stream):
                for piece in stream:
                    if not written.text.strip() and piece.strip():
                        written.details["first_word"] = time.perf_counter() - began
                    written.text += piece
                    screen.show(written.text.strip())
            written.state = "done"
        finally:
            if seen:
                _note_caution(list(seen.values()), written)
            written.details["total"] = time.perf_counter() - began
            written.details["answer"] = time.perf_counter() - asked
            if (answer := stream.answer) is not None:
                written.details |= {
                    "tokens": answer.tokens,
                    "computed": answer.computed,
                    "reused": answer.reused,
                    "finish": answer.finish,
                }


def encode(ids: list[str], desk: Desk, engine: Engine, adapter: str | None) -> list[EncodedImage]:
    """Encoded pictures in that order; each is encoded once while the conversation is about it."""
    missing = [id for id in ids if not _seen(id, desk, engine, adapter)]
    known = {id: desk.encoded[id] for id in ids if id not in missing}
    if missing:
        pictures = [desk.picture(id) for id in missing]
        for image in engine.encode_images(pictures, adapter=adapter):
            known[image.id] = image
    desk.encoded = known
    return [known[id] for id in ids]


def _seen(id: str, desk: Desk, engine: Engine, adapter: str | None) -> bool:
    """Whether a picture is encoded as the adapter sees it."""
    return id in desk.encoded and engine.fits(desk.encoded[id], adapter)


def read_evidence(images: list[EncodedImage], engine: Engine) -> dict[str, Evidence]:
    """What the encoder sees, by image id; empty where the engine cannot tell."""
    look = getattr(engine, "evidence", None)
    found = {image.id: look(image) for image in images} if look is not None else {}
    return {id: evidence for id, evidence in found.items() if evidence is not None}


def _with_hint(turns: list[Turn], seen: list[Evidence], written: Written) -> list[Turn]:
    """The turns, with what the encoder sees before the question, where that helps."""
    from assistant.evidence import with_hint

    *earlier, last = turns
    question = with_hint(last.text, seen)
    if question == last.text:
        return turns
    # Later turns must repeat it as it was, or its keys and values would be computed again.
    written.details["asked"] = question
    return [*earlier, replace(last, text=question)]


def _note_caution(seen: list[Evidence], written: Written) -> None:
    """Keep that the picture is unlike the training ones, with the encoder's guess."""
    from assistant.evidence import needed_caution, notable

    if needed_caution(written.text, seen) is not None:
        doubtful = next(each for each in seen if not each.familiar)
        written.details["caution"] = notable(doubtful)


def keep(
    desk: Desk, exchange: Exchange, written: Written, *, again: bool, without: bool = False
) -> None:  # fmt: skip
    """Keep in `desk` what was written, beside or instead of what is there."""
    text = written.text.strip()
    kept = {key: exchange.details[key] for key in ("about", "left_out") if key in exchange.details}
    if without:
        beside = {"text": text, "state": written.state, "total": written.details.get("total")}
        if text or written.error is None:
            details = exchange.details | ({"without": beside} if text else {})
        else:
            details = exchange.details | {"without": beside | {"error": written.error}}
        desk.keep_answer(
            exchange,
            answer=exchange.answer,
            state=exchange.state,
            details=details,
            error=exchange.error,
        )
        return
    if again and not text:
        # Stopped or failed before its first word: the answer that is there stays.
        if written.error is not None:
            desk.notices.append(written.error)
        desk.keep_answer(
            exchange,
            answer=exchange.answer,
            state=exchange.state if exchange.answer else written.state,
            details=exchange.details,
            error=exchange.error if exchange.answer else written.error,
        )
        return
    desk.keep_answer(
        exchange,
        answer=text,
        state=written.state,
        details=kept | written.details,
        error=written.error,
    )
    if again:
        desk.set_feedback(exchange.id, None, None)
