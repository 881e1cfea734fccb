"""The chat's own thumbs and corrections, out of the store of conversations."""

from __future__ import annotations

from pathlib import Path

from adapters.data.form import Example, Exchange
from adapters.data.notes import Notes, need_text
from assistant.errors import DataError
from assistant.settings import Settings


def read_chat(notes: Notes, settings: Settings) -> None:
    """Read what was judged in the chat into ``notes``; ``where`` counts the judgements.

    An answer with a thumb up and a correction are learnt from. A thumb down without a correction
    says what not to answer, which no example can teach: it is told and left out.

    Raises:
        DataError: nothing was judged.
        StoreError: the store cannot be read.
    """
    from assistant.store import Store  # not before it is asked for: SQLAlchemy takes its time

    number = 0
    with Store.open(settings) as store:
        for number, row in enumerate(store.training_rows(), start=1):
            where = f"chat:{number}"
            with notes.row(where):
                question = need_text(row["question"], "The question")
                answer = need_text(row["answer"], "The answer")
                if row["thumb"] != 1:
                    notes.warn_once(
                        "thumb-down",
                        where,
                        "A thumb down without a correction is not learnt from; write what the "
                        "answer should have been.",
                    )
                    continue
                notes.add(
                    Example(where, (Path(row["image"]),), exchanges=(Exchange(question, answer),))
                )
    if not number:
        raise DataError(
            "No answer in the chat was judged yet; give thumbs or corrections there first."
        )
