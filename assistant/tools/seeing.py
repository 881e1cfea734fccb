"""Tools that look at a picture: describe it, answer a question about it, label it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from assistant.errors import InputError
from assistant.prompts import DESCRIBE, spoken_label
from assistant.sources import Source
from assistant.tools.clean import as_line
from assistant.tools.desk import Desk
from assistant.tools.guard import Call, Result, result

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine
    from assistant.evidence import Evidence
    from assistant.labelling import Labelled


def describe_image(desk: Desk, call: Call, image: str) -> Result:
    """One sentence about a picture."""
    return _ask(desk, call, image, DESCRIBE["sentence"], hinted=False)


def ask_image(desk: Desk, call: Call, image: str, question: str) -> Result:
    """What the picture says to a question."""
    question = " ".join(question.split())
    if not question:
        raise InputError("The question is empty; say what to find out about the picture.")
    if len(question) > desk.settings.max_question_chars:
        raise InputError(
            f"The question is longer than {desk.settings.max_question_chars} characters; ask a "
            "shorter one."
        )
    return _ask(desk, call, image, question, hinted=True)


def label_image(desk: Desk, call: Call, image: str) -> Result:
    """The label of a picture, or that it has none of them."""
    picture = desk.load_image(image)
    engine = desk.loaded_engine()
    found = label(desk, engine, engine.encode_image(
        picture, tenant=desk.tenant, adapter=desk.label_adapter()
    ))  # fmt: skip
    text = said(found)
    source = Source(
        "image",
        picture.id,
        spoken_label(found.label) if found.label else "picture",
        text,
        origin="label_image",
        label=found.label or "",
        image_id=picture.id,
    )
    return result(text, source, **found.to_dict())


def label(desk: Desk, engine: Engine, encoded: EncodedImage) -> Labelled:
    """The label of a picture that was encoded for `Desk.label_adapter`."""
    adapter = desk.label_adapter()
    if adapter is None:
        return engine.recognise([encoded])[0]
    return engine.label([encoded], adapter=adapter)[0]


def said(found: Labelled) -> str:
    """A label as the model reads it."""
    if found.label is None:
        best = found.scores[0][0] if found.scores else "nothing"
        return f"none of these (at best {best}, confidence {found.confidence:.2f})"
    coarse = found.coarse if found.coarse not in (None, found.label) else None
    kind = f" ({coarse})" if coarse else ""
    return f"{found.label}{kind}, confidence {found.confidence:.2f}"


def _ask(desk: Desk, call: Call, image: str, question: str, *, hinted: bool) -> Result:
    from assistant.engine import Sampling, Turn
    from assistant.evidence import needed_caution, with_hint

    picture = desk.load_image(image)
    engine = desk.loaded_engine()
    encoded = engine.encode_image(picture, tenant=desk.tenant)
    seen = _evidence(engine, encoded)
    asked = with_hint(question, seen) if hinted else question
    turn = Turn("user", asked, (picture.id,))
    answer = ""
    with closing(
        engine.stream([turn], [encoded], sampling=Sampling(), tenant=desk.tenant)
    ) as stream:
        for piece in stream:
            if call.cancelled.is_set():
                break
            answer += piece
            call.say(piece)
    caution = needed_caution(answer, seen)
    if caution is not None:
        call.say(f"\n{caution}")
        answer = f"{answer.strip()} {caution}"
    answer = as_line(answer) or "I can't tell from this picture."
    source = Source("image", picture.id, "picture", answer, origin=call.tool, image_id=picture.id)
    return result(answer, source, caution=caution)


def _evidence(engine: Engine, encoded: EncodedImage) -> list[Evidence]:
    look = getattr(engine, "evidence", None)
    found = look(encoded) if look is not None else None
    return [found] if found is not None else []
