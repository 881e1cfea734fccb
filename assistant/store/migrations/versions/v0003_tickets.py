"""Tickets: hand-overs to a person, their messages and pictures, and calls of the webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "tickets",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("transcript", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_tickets"),
        sa.UniqueConstraint("tenant", "key", name="uq_tickets_tenant_key"),
    )
    op.create_index("ix_tickets_tenant_state_updated", "tickets", ["tenant", "state", "updated"])
    op.create_index("ix_tickets_tenant_thread_id", "tickets", ["tenant", "thread_id"])
    op.create_table(
        "ticket_messages",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exchange_id", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("images", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_messages"),
        sa.UniqueConstraint(
            "tenant", "ticket_id", "position", name="uq_ticket_messages_tenant_ticket_id_position"
        ),
        sa.UniqueConstraint(
            "tenant", "ticket_id", "key", name="uq_ticket_messages_tenant_ticket_id_key"
        ),
        _belongs_to_a_ticket("ticket_messages"),
    )
    op.create_table(
        "ticket_pictures",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("picture_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", "place", name="pk_ticket_pictures"),
        _belongs_to_a_ticket("ticket_pictures"),
        sa.ForeignKeyConstraint(
            ["tenant", "picture_id"],
            ["pictures.tenant", "pictures.id"],
            name="fk_ticket_pictures_tenant_picture_id",
        ),
    )
    op.create_index(
        "ix_ticket_pictures_tenant_picture_id", "ticket_pictures", ["tenant", "picture_id"]
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "tenant", "ticket_id", "position", name="uq_deliveries_tenant_ticket_id_position"
        ),
        _belongs_to_a_ticket("deliveries"),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due"],
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )


def _belongs_to_a_ticket(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", "ticket_id"],
        ["tickets.tenant", "tickets.id"],
        name=f"fk_{table}_tenant_ticket_id",
        ondelete="CASCADE",
    )
