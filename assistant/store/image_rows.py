"""The tables of the image index. A change here needs a migration: tests compare the two.

    image_states            a tenant's index: how often it changed, which embedder it is of
    indexed_images          one picture by its id, with what is noted of it
     ├── image_vectors      where it lies in the embedder's space
     └── indexed_files      a file that shows it; several may
    indexed_folders         a folder that was indexed
     └── indexed_files

They are the truth. What only makes the search quick (full text, nearest vectors) is made from them
by `assistant.image_index.finders`, and made again where it is lost.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from assistant.store.models import Base

# SQLite counts up by itself only in a column of exactly this type.
_Key = BigInteger().with_variant(Integer, "sqlite")
# Compared character by character, also where the server sorts by a language.
_Path = Text().with_variant(Text(collation="C"), "postgresql")


class ImageStateRow(Base):
    """One row a tenant; whoever changes its index locks it first."""

    __tablename__ = "image_states"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    """Grows with each change, so that what is kept in memory knows whether it is up to date."""
    embedder: Mapped[str]
    """The embedder that all vectors of the tenant are of."""
    dimensions: Mapped[int]
    """Numbers in a vector; 0 before the first."""
    vectors: Mapped[int] = mapped_column(BigInteger)
    """How many there are, since counting a million takes longer than a search."""


class IndexedFolderRow(Base):
    """A folder whose pictures are indexed."""

    __tablename__ = "indexed_folders"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    id: Mapped[str]
    path: Mapped[str] = mapped_column(_Path)
    """Absolute, as `assistant.image_index.names.stored` writes it."""
    added: Mapped[datetime]

    __table_args__ = (
        Index(None, "tenant", "id", unique=True),
        Index(None, "tenant", "path", unique=True),
        {"sqlite_autoincrement": True},
    )


class IndexedImageRow(Base):
    """A picture of a tenant, once for as many files as show it."""

    __tablename__ = "indexed_images"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    image_id: Mapped[str]
    sketch: Mapped[bytes] = mapped_column(LargeBinary)
    """What it looks like from afar: 32 bytes of difference hash, 48 of colours."""
    label: Mapped[str]
    coarse_label: Mapped[str]
    caption: Mapped[str]

    __table_args__ = (
        Index(None, "tenant", "image_id", unique=True),
        Index(None, "tenant", "label"),
        Index(None, "tenant", "coarse_label"),
        {"sqlite_autoincrement": True},
    )


class ImageVectorRow(Base):
    """A picture's vector: little-endian float16, of length 1.

    Its key is never used again, so that an old one can never mean a new vector.
    """

    __tablename__ = "image_vectors"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    image_key: Mapped[int] = mapped_column(
        _Key, ForeignKey("indexed_images.key", ondelete="CASCADE")
    )
    vector: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        # All that a search needs to know of a vector that it found.
        Index(None, "tenant", "key", "image_key"),
        Index(None, "image_key", unique=True),
        {"sqlite_autoincrement": True},
    )


class IndexedFileRow(Base):
    """A file in an indexed folder: the picture that it shows, or why it shows none."""

    __tablename__ = "indexed_files"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    folder_key: Mapped[int] = mapped_column(
        _Key, ForeignKey("indexed_folders.key", ondelete="CASCADE")
    )
    path: Mapped[str] = mapped_column(_Path)
    """Below the folder, parts joined by ``/``, written likewise."""
    size: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    """When it was written, in nanoseconds since 1970."""
    digest: Mapped[str]
    """Of its bytes."""
    image_key: Mapped[int | None] = mapped_column(_Key, ForeignKey("indexed_images.key"))
    trouble: Mapped[str | None]
    width: Mapped[int]
    height: Mapped[int]
    taken: Mapped[datetime | None]
    """By the camera's clock."""
    moment: Mapped[datetime]
    """When it was taken, else written: what a range of dates is about."""

    __table_args__ = (
        Index(None, "folder_key", "path", unique=True),
        Index(None, "image_key"),
        Index(None, "tenant", "moment"),
        {"sqlite_autoincrement": True},
    )
