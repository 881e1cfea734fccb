"""What else is known of passages that a program added: its own name for each, and its notes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "knowledge_entries",
        sa.Column("passage_key", _KEY, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("passage_key", name="pk_knowledge_entries"),
        sa.ForeignKeyConstraint(
            ["passage_key"],
            ["knowledge_passages.key"],
            name="fk_knowledge_entries_passage_key",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_knowledge_entries_tenant_name", "knowledge_entries", ["tenant", "name"], unique=True
    )
