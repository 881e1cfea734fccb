"""What the tables know of folders and files, as the scan asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assistant.errors import MissingError
from assistant.image_index.values import FileState, Known
from assistant.store import Store
from assistant.store.image_rows import (
    ImageVectorRow,
    IndexedFileRow,
    IndexedFolderRow,
    IndexedImageRow,
)

_BATCH = 500  # values in one statement


class Knowing:
    """Reads what is known of one tenant's files.

    Args:
        store: rows.
        tenant: whose.
    """

    def __init__(self, store: Store, tenant: str) -> None:
        self.store, self.tenant = store, tenant

    def states(self, folder: str) -> Known:
        """What is known of a folder's files.

        Raises:
            MissingError: there is no such folder.
        """
        files, images, vectors = IndexedFileRow, IndexedImageRow, ImageVectorRow
        columns = (
            files.path, files.size, files.modified_ns, files.digest, images.image_id,
            files.trouble, files.width, files.height, files.taken, vectors.key,
        )  # fmt: skip
        found: dict[str, FileState] = {}
        waiting: set[str] = set()
        with self.store.database.read() as session:
            key = self.folder_key(session, folder)
            query = (
                select(*columns)
                .outerjoin(images, images.key == files.image_key)
                .outerjoin(vectors, vectors.image_key == files.image_key)
                .where(files.folder_key == key)
                .execution_options(yield_per=10_000)
            )
            for path, *rest, vector in session.execute(query):
                found[path] = FileState(path, *rest)
                if vector is None and (image := found[path].image_id) is not None:
                    waiting.add(image)
        return Known(found, frozenset(waiting))

    def known(self, image_ids: Iterable[str]) -> set[str]:
        """Those of the pictures that have a vector already, which need not be embedded again."""
        images, vectors = IndexedImageRow, ImageVectorRow
        found: set[str] = set()
        with self.store.database.read() as session:
            for part in batches(list(dict.fromkeys(image_ids))):
                query = select(images.image_id).join(vectors, vectors.image_key == images.key)
                here = query.where(images.tenant == self.tenant, images.image_id.in_(part))
                found.update(session.scalars(here))
        return found

    def folder_key(self, session: Session, folder: str) -> int:
        """Key of the folder of that id.

        Raises:
            MissingError: there is none.
        """
        rows = IndexedFolderRow
        key = session.scalar(select(rows.key).where(rows.tenant == self.tenant, rows.id == folder))
        if key is None:
            raise MissingError("This folder is not indexed any more; index it again.")
        return key


def batches(values: Sequence[Any], size: int = _BATCH) -> Iterator[Any]:
    """Parts of a sequence of bounded length."""
    return (values[start : start + size] for start in range(0, len(values), size))
