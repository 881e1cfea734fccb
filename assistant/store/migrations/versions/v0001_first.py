"""The first tables: threads, exchanges, pictures, preferences."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them, and give the database its identity."""
    identity = op.create_table(
        "identity",
        sa.Column("id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
    )
    op.bulk_insert(identity, [{"id": uuid4().hex}])
    op.create_table(
        "threads",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_threads"),
    )
    op.create_index("ix_threads_tenant_updated", "threads", ["tenant", "updated"])
    op.create_table(
        "pictures",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("suffix", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_pictures"),
    )
    op.create_index("ix_pictures_id", "pictures", ["id"])
    op.create_index(
        "ix_pictures_pending",
        "pictures",
        ["pending"],
        sqlite_where=sa.text("pending IS NOT NULL"),
        postgresql_where=sa.text("pending IS NOT NULL"),
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("writer", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("enhancement", sa.JSON),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("thumb", sa.Integer),
        sa.Column("correction", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_exchanges"),
        sa.UniqueConstraint(
            "tenant", "thread_id", "position", name="uq_exchanges_tenant_thread_id_position"
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "thread_id"],
            ["threads.tenant", "threads.id"],
            name="fk_exchanges_tenant_thread_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_exchanges_streaming",
        "exchanges",
        ["state"],
        sqlite_where=sa.text("state = 'streaming'"),
        postgresql_where=sa.text("state = 'streaming'"),
    )
    op.create_index(
        "ix_exchanges_judged",
        "exchanges",
        ["tenant"],
        sqlite_where=sa.text("thumb IS NOT NULL OR correction IS NOT NULL"),
        postgresql_where=sa.text("thumb IS NOT NULL OR correction IS NOT NULL"),
    )
    op.create_table(
        "exchange_pictures",
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("shown_id", sa.Text, nullable=False),
        sa.Column("used_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", "place", name="pk_exchange_pictures"),
        sa.ForeignKeyConstraint(
            ["exchange_id"],
            ["exchanges.id"],
            name="fk_exchange_pictures_exchange_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "shown_id"],
            ["pictures.tenant", "pictures.id"],
            name="fk_exchange_pictures_tenant_shown_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "used_id"],
            ["pictures.tenant", "pictures.id"],
            name="fk_exchange_pictures_tenant_used_id",
        ),
    )
    op.create_index(
        "ix_exchange_pictures_tenant_shown_id", "exchange_pictures", ["tenant", "shown_id"]
    )
    op.create_index(
        "ix_exchange_pictures_tenant_used_id", "exchange_pictures", ["tenant", "used_id"]
    )
    op.create_table(
        "preferences",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_preferences"),
    )
