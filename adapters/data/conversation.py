"""Turns of a conversation into questions and answers: what LLaVA's files and messages share.

A picture stands in the text as the mark ``<image>``, LLaVA's way. Training puts the pictures before
the first question, so marks are taken out of the text; one that stood inside a sentence is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.data.form import Exchange
from adapters.data.notes import MAX_TURNS, Notes, RowProblem, counted, need_text, no_marks

MARK = "<image>"
Role = Literal["system", "user", "assistant"]

MAX_TEXT = 12_000
"""Characters of a conversation from which its row is told to be long: some 3,000 tokens."""


@dataclass(frozen=True)
class Turn:
    """What one side says; `weight` is of an answer and counts in the loss."""

    role: Role
    text: object
    weight: float = 1.0


def exchanges_of(
    turns: Sequence[Turn], images: int, notes: Notes, where: str
) -> tuple[Exchange, ...]:
    """The questions and answers of a conversation about ``images`` pictures.

    Raises:
        RowProblem: the turns do not alternate, marks and pictures do not fit, or a text cannot be
            learnt.
    """
    if len(turns) > MAX_TURNS:
        raise RowProblem(
            "long-row", f"The conversation has {len(turns):,} turns; keep {MAX_TURNS} or fewer."
        )
    spoken = [turn for turn in turns if turn.role != "system"]
    if len(spoken) < len(turns):
        notes.warn_once(
            "system-message",
            where,
            "A system message is left out: the model always gets the product's own.",
        )
    _check_order(spoken)
    texts = [
        need_text(turn.text, f"Turn {number} ({turn.role})")
        for number, turn in enumerate(spoken, start=1)
    ]
    _check_marks(spoken, texts, images)
    questions = [without_marks(texts[0], notes, where), *texts[2::2]]
    if sum(map(len, texts)) > MAX_TEXT:
        notes.warn(
            "long-conversation",
            where,
            f"The conversation has more than {MAX_TEXT:,} characters, and what a training does "
            f"not take is cut off its end; split it.",
        )
    answers, weights = texts[1::2], [turn.weight for turn in spoken[1::2]]
    if not any(weights):
        raise RowProblem(
            "nothing-to-learn", "No answer counts: every weight is 0; give one of them weight 1."
        )
    return tuple(map(Exchange, questions, answers, weights))


def without_marks(question: str, notes: Notes, where: str) -> str:
    """The text of a first question without its marks.

    Raises:
        RowProblem: nothing is left.
    """
    text = question.strip()
    while text != (text := text.removeprefix(MARK).removesuffix(MARK).strip()):
        pass
    if MARK in text:
        notes.warn_once(
            "mark-inside",
            where,
            "A mark <image> stands inside the text; training puts the pictures before it.",
        )
        text = " ".join(part.strip() for part in text.split(MARK))
    return need_text(text, "The question beside the picture")


def _check_order(spoken: Sequence[Turn]) -> None:
    if not spoken:
        raise RowProblem("turn-order", "The conversation is empty; write a question and an answer.")
    for number, turn in enumerate(spoken, start=1):
        due = "user" if number % 2 else "assistant"
        if turn.role != due:
            raise RowProblem(
                "turn-order",
                f"Turn {number} is the {turn.role}'s where the {due}'s is due; "
                f"let questions and answers alternate, a question first.",
            )
    if len(spoken) % 2:
        raise RowProblem("turn-order", "The last question has no answer; write it.")


def _check_marks(spoken: Sequence[Turn], texts: Sequence[str], images: int) -> None:
    for number, (turn, text) in enumerate(zip(spoken, texts, strict=True), start=1):
        if turn.role == "assistant":
            no_marks(text, f"The answer in turn {number}")
        elif number > 1 and MARK in text:
            raise RowProblem(
                "late-image",
                f"A picture stands in turn {number}, and training takes pictures in the first "
                f"question only; move it there, or make a row of its own.",
            )
    check_marks(texts[0].count(MARK), images)


def check_marks(marks: int, images: int) -> None:
    """Refuse a row whose marks and pictures are not equally many.

    Raises:
        RowProblem: they are not.
    """
    if not images and not marks:
        raise RowProblem("no-image", "The row has no picture; add 'image', or leave the row out.")
    if marks != images:
        raise RowProblem(
            "image-marks",
            f"The first question marks {counted(marks, 'picture')} with <image> and the row has "
            f"{images}; write one mark a picture.",
        )
