"""The knowledge base: documents, their passages, and the passages' vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "knowledge_states",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("embedder", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_knowledge_states"),
    )
    op.create_table(
        "knowledge_documents",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("root", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_knowledge_documents"),
    )
    op.create_table(
        "knowledge_passages",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("coarse_label", sa.Text, nullable=False),
        sa.Column("image_id", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_knowledge_passages"),
        sa.ForeignKeyConstraint(
            ["tenant", "document"],
            ["knowledge_documents.tenant", "knowledge_documents.name"],
            name="fk_knowledge_passages_tenant_document",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "image_id"],
            ["pictures.tenant", "pictures.id"],
            name="fk_knowledge_passages_tenant_image_id",
        ),
        sqlite_autoincrement=True,
    )
    for columns, unique in (
        (["tenant", "id"], True),
        (["tenant", "document", "position"], False),
        (["tenant", "label"], False),
        (["tenant", "image_id"], False),
    ):
        name = f"ix_knowledge_passages_{'_'.join(columns)}"
        op.create_index(name, "knowledge_passages", columns, unique=unique)
    op.create_table(
        "knowledge_vectors",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("passage_key", _KEY, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_knowledge_vectors"),
        sa.ForeignKeyConstraint(
            ["passage_key"],
            ["knowledge_passages.key"],
            name="fk_knowledge_vectors_passage_key",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_knowledge_vectors_passage_key", "knowledge_vectors", ["passage_key"])
    op.create_index("ix_knowledge_vectors_tenant_digest", "knowledge_vectors", ["tenant", "digest"])
