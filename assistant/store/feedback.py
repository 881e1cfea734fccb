"""Thumbs and corrections, and the rows that a training makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import or_, select, update

from assistant.errors import InputError
from assistant.store.exchanges import Exchanges
from assistant.store.models import ExchangePictureRow, ExchangeRow, PictureRow
from assistant.store.room import gone, row_id


class Feedback(Exchanges):
    """The part of the store that keeps what people think of answers."""

    def set_feedback(
        self,
        exchange_id: str,
        *,
        thumb: Literal[1, -1] | None,
        correction: str | None,
        tenant: str = "",
    ) -> None:
        """Keep a judgement in place of an earlier one; None takes it back.

        Args:
            correction: what the answer should have been; a blank one is none.

        Raises:
            StoreError: the tenant has no such exchange, or it cannot be written.
        """
        if thumb not in (1, -1, None):
            raise InputError(f"A thumb is 1, -1 or None, not {thumb}.")
        values = {
            "thumb": thumb,
            "correction": (correction and self._text(correction).strip()) or None,
        }
        judged = (
            update(ExchangeRow)
            .where(ExchangeRow.id == row_id(exchange_id, "question"), ExchangeRow.tenant == tenant)
            .values(**values)
            .returning(ExchangeRow.id)
            .execution_options(synchronize_session=False)
        )
        with self.database.write() as session:
            if session.scalars(judged).first() is None:
                raise gone("question")

    def training_rows(self, *, tenant: str = "") -> Iterator[dict[str, Any]]:
        """What was judged, oldest first, as rows for a training.

        A row is ``{"image": absolute path, "question", "answer", "thumb", "corrected"}``. `thumb`
        is about the `answer` in the row: 1 for a corrected one, whatever the first one got; a row
        with -1 says what not to answer. `image` is the picture that the model was given: that of
        the question itself, or of the last one before it in the thread that had any. Questions
        about several pictures at once have no row, since a row has one; nor have answers of the
        support desk or a person, which rest on more than the picture.

        Raises:
            StoreError: they cannot be read.
        """
        with self.database.read() as session:
            judged = session.scalars(
                select(ExchangeRow)
                .where(
                    ExchangeRow.tenant == tenant,
                    or_(ExchangeRow.thumb.is_not(None), ExchangeRow.correction.is_not(None)),
                )
                .order_by(ExchangeRow.created, ExchangeRow.id)
            ).all()
            rows = []
            for row in judged:
                answer = row.correction or row.answer
                if not answer.strip() or row.details.get("by") in ("desk", "person"):
                    continue
                before = (
                    ExchangeRow.tenant == tenant,
                    ExchangeRow.thread_id == row.thread_id,
                    ExchangeRow.position <= row.position,
                )
                pictures = session.execute(
                    select(ExchangeRow.position, PictureRow.id, PictureRow.suffix)
                    .join(ExchangePictureRow, ExchangePictureRow.exchange_id == ExchangeRow.id)
                    .join(
                        PictureRow,
                        (PictureRow.id == ExchangePictureRow.used_id)
                        & (PictureRow.tenant == ExchangePictureRow.tenant),
                    )
                    .where(*before)
                    .order_by(ExchangeRow.position.desc())
                    .limit(2)
                ).all()
                if not pictures or (
                    len(pictures) == 2 and pictures[0].position == pictures[1].position
                ):
                    continue
                path = self.files.path(pictures[0].id, pictures[0].suffix)
                rows.append(
                    {
                        "image": str(path.absolute()),
                        "question": row.question,
                        "answer": answer,
                        "thumb": 1 if row.correction else row.thumb,
                        "corrected": row.correction is not None,
                    }
                )
        # After the transaction, which a slow reader must not hold open.
        yield from rows
