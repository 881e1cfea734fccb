"""Who holds a picture: one row a process in place of one time a picture."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Keep what was waiting, held by nobody in particular, and drop the old column."""
    holds = op.create_table(
        "picture_holds",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("picture_id", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "picture_id", "holder", name="pk_picture_holds"),
        sa.ForeignKeyConstraint(
            ["tenant", "picture_id"],
            ["pictures.tenant", "pictures.id"],
            name="fk_picture_holds_tenant_picture_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_picture_holds_since", "picture_holds", ["since"])
    pictures = sa.table(
        "pictures", sa.column("tenant"), sa.column("id"), sa.column("pending", sa.DateTime)
    )
    waiting = sa.select(pictures.c.tenant, pictures.c.id, sa.literal(""), pictures.c.pending).where(
        pictures.c.pending.is_not(None)
    )
    names = ["tenant", "picture_id", "holder", "since"]
    op.execute(sa.insert(holds).from_select(names, waiting))
    op.drop_index("ix_pictures_pending", table_name="pictures")
    op.drop_column("pictures", "pending")
