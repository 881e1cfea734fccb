"""The image index: folders, their files, the pictures that these show, and the vectors of those."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PATH = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the five tables."""
    op.create_table(
        "image_states",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("embedder", sa.Text, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("vectors", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_image_states"),
    )
    op.create_table(
        "indexed_folders",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("path", _PATH, nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_indexed_folders"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "indexed_images",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("image_id", sa.Text, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("coarse_label", sa.Text, nullable=False),
        sa.Column("caption", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_indexed_images"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "image_vectors",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("image_key", _KEY, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_image_vectors"),
        sa.ForeignKeyConstraint(
            ["image_key"],
            ["indexed_images.key"],
            name="fk_image_vectors_image_key",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "indexed_files",
        sa.Column("key", _KEY, nullable=False, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("folder_key", _KEY, nullable=False),
        sa.Column("path", _PATH, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("image_key", _KEY),
        sa.Column("trouble", sa.Text),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken", sa.DateTime(timezone=True)),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_indexed_files"),
        sa.ForeignKeyConstraint(
            ["folder_key"],
            ["indexed_folders.key"],
            name="fk_indexed_files_folder_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["image_key"], ["indexed_images.key"], name="fk_indexed_files_image_key"
        ),
        sqlite_autoincrement=True,
    )
    for table, columns, unique in (
        ("indexed_folders", ["tenant", "id"], True),
        ("indexed_folders", ["tenant", "path"], True),
        ("indexed_images", ["tenant", "image_id"], True),
        ("indexed_images", ["tenant", "label"], False),
        ("indexed_images", ["tenant", "coarse_label"], False),
        ("image_vectors", ["tenant", "key", "image_key"], False),
        ("image_vectors", ["image_key"], True),
        ("indexed_files", ["folder_key", "path"], True),
        ("indexed_files", ["image_key"], False),
        ("indexed_files", ["tenant", "moment"], False),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns, unique=unique)
