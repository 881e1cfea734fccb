"""The tables of the knowledge base. A change here needs a migration: tests compare the two.

    knowledge_states         a tenant's knowledge base: how often it changed, which embedder it uses
    knowledge_documents      a file that was added
     └── knowledge_passages  a piece of it that an answer can cite; it may hold a picture
          ├── knowledge_vectors   where the passage lies in the embedder's space; one or several
          └── knowledge_entries   its name and notes, where a program added it by itself

They are the truth. What only makes the search quick (full text, nearest vectors) is made from them
by `assistant.knowledge.finders`, and made again where it is lost.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from assistant.store.models import Base

# SQLite counts up by itself only in a column of exactly this type.
_Key = BigInteger().with_variant(Integer, "sqlite")


class KnowledgeStateRow(Base):
    """One row a tenant; whoever changes its knowledge locks it first."""

    __tablename__ = "knowledge_states"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    """Grows with each change, so that a copy of the vectors knows whether it is up to date."""
    embedder: Mapped[str]
    """The embedder that all vectors of the tenant are of."""


class KnowledgeDocumentRow(Base):
    """A file whose passages are kept."""

    __tablename__ = "knowledge_documents"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """Of its bytes and of how they were read; equal means that nothing is to be done."""
    root: Mapped[str]
    """The folder that was added, if it came with one: a file that is gone from it goes here too."""
    kind: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[datetime]
    updated: Mapped[datetime]


class KnowledgePassageRow(Base):
    """A passage. Its key is never used again, so that an old vector can never mean a new one."""

    __tablename__ = "knowledge_passages"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    id: Mapped[str]
    document: Mapped[str]
    position: Mapped[int]
    title: Mapped[str]
    text: Mapped[str]
    place: Mapped[str]
    label: Mapped[str]
    coarse_label: Mapped[str]
    image_id: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "document"],
            ["knowledge_documents.tenant", "knowledge_documents.name"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(["tenant", "image_id"], ["pictures.tenant", "pictures.id"]),
        Index(None, "tenant", "id", unique=True),
        Index(None, "tenant", "document", "position"),
        Index(None, "tenant", "label"),
        Index(None, "tenant", "image_id"),
        {"sqlite_autoincrement": True},
    )


class KnowledgeVectorRow(Base):
    """One vector of a passage: little-endian float32, of length 1."""

    __tablename__ = "knowledge_vectors"

    key: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    tenant: Mapped[str]
    passage_key: Mapped[int] = mapped_column(
        _Key, ForeignKey("knowledge_passages.key", ondelete="CASCADE")
    )
    digest: Mapped[str]
    """Of the text that was embedded, so that the same text is never embedded twice."""
    vector: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        Index(None, "passage_key"),
        Index(None, "tenant", "digest"),
        {"sqlite_autoincrement": True},
    )


class KnowledgeEntryRow(Base):
    """What a program calls a passage that it added, and what else it says of it."""

    __tablename__ = "knowledge_entries"

    passage_key: Mapped[int] = mapped_column(
        _Key, ForeignKey("knowledge_passages.key", ondelete="CASCADE"), primary_key=True,
        autoincrement=False,
    )  # fmt: skip
    tenant: Mapped[str]
    name: Mapped[str]
    notes: Mapped[str]
    """A JSON object."""

    __table_args__ = (Index(None, "tenant", "name", unique=True),)
