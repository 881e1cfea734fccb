"""Pictures that a client sent once to name them by their id later: kept until a day, or removed.

A picture that a conversation or a ticket shows stays for as long as that does, in either case.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from assistant.store.files import FORGOTTEN_SECONDS
from assistant.store.models import PictureHoldRow, PictureRow
from assistant.store.pictures import Pictures, drop_pictures
from assistant.store.room import gone, now
from assistant.store.values import StoredImage
from assistant.store.writers import this_process

HOLDER = "upload"
"""Who holds such a picture; other holders are processes."""

KEPT = timedelta(days=30)


class Uploads(Pictures):
    """The part of the store that keeps what clients have sent ahead."""

    def keep_image(self, id: str, *, tenant: str = "") -> datetime:
        """Keep a picture that was put, also where nothing shows it; returns until when, in UTC.

        Raises:
            StoreError: the tenant has no such picture, or it cannot be written.
        """
        until = now() + KEPT
        with self.database.write(pictures=True) as session:
            if session.get(PictureRow, (tenant, id)) is None:
                raise gone("photo")
            # A hold counts from its beginning for as long as one that was forgotten does.
            since = until - timedelta(seconds=FORGOTTEN_SECONDS)
            row = PictureHoldRow(tenant=tenant, picture_id=id, holder=HOLDER, since=since)
            session.merge(row)
        return until

    def kept_until(self, id: str, *, tenant: str = "") -> datetime | None:
        """Until when a picture is kept by itself; None where it is not.

        Raises:
            StoreError: it cannot be read.
        """
        with self.database.read() as session:
            row = session.get(PictureHoldRow, (tenant, id, HOLDER))
            return None if row is None else row.since + timedelta(seconds=FORGOTTEN_SECONDS)

    def kept_images(
        self, *, limit: int = 50, offset: int = 0, tenant: str = ""
    ) -> list[tuple[StoredImage, datetime]]:
        """Pictures that were sent ahead, and until when they are kept; the newest first.

        Raises:
            StoreError: they cannot be read.
        """
        query = (
            select(PictureRow, PictureHoldRow.since)
            .join(
                PictureHoldRow,
                (PictureHoldRow.tenant == PictureRow.tenant)
                & (PictureHoldRow.picture_id == PictureRow.id),
            )
            .where(PictureRow.tenant == tenant, PictureHoldRow.holder == HOLDER)
            .order_by(PictureHoldRow.since.desc(), PictureRow.id)
            .limit(max(0, limit))
            .offset(max(0, offset))
        )
        with self.database.read() as session:
            return [
                (
                    StoredImage(row.id, row.name, row.width, row.height, row.size, row.created),
                    since + timedelta(seconds=FORGOTTEN_SECONDS),
                )
                for row, since in session.execute(query)
            ]

    def count_kept_images(self, *, tenant: str = "") -> int:
        """How many `kept_images` would list without a limit."""
        query = (
            select(func.count())
            .select_from(PictureHoldRow)
            .where(PictureHoldRow.tenant == tenant, PictureHoldRow.holder == HOLDER)
        )
        with self.database.read() as session:
            return session.scalar(query) or 0

    def release_image(self, id: str, *, tenant: str = "") -> bool:
        """Keep a picture no longer by itself; whether it is gone, as nothing else shows it.

        Raises:
            StoreError: the tenant has no such picture, or it cannot be written.
        """
        with self.database.write(pictures=True) as session:
            if session.get(PictureRow, (tenant, id)) is None:
                raise gone("photo")
            session.execute(
                delete(PictureHoldRow).where(
                    PictureHoldRow.tenant == tenant,
                    PictureHoldRow.picture_id == id,
                    PictureHoldRow.holder.in_((HOLDER, this_process())),
                )
            )
            dropped = drop_pictures(session, [id], tenant)
        self.discard(dropped)
        return id in dropped
