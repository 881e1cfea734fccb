"""Versions of the tables: brings a database of any earlier one to the newest, in one transaction.

To add one: change `assistant.store.models`, write ``versions/vNNNN_what.py`` by hand after the last
one, and set `HEAD` to it. A database that knows a version which is not listed here is newer than
this program and is left alone.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from assistant.errors import StoreError

HEAD = "0007"
"""The newest version; a test compares it with the scripts."""


def current(connection: Connection) -> str | None:
    """The version of the database, None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(connection: Connection, place: str) -> None:
    """Bring the database to `HEAD` inside the transaction that `connection` is in.

    Raises:
        StoreError: it was written by a newer version of the program; nothing was changed.
    """
    version = current(connection)
    if version == HEAD:
        return
    # Here, since it takes a tenth of a second and is needed once in a database's life.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        if version is not None:
            ScriptDirectory.from_config(config).get_revision(version)
    except CommandError as error:
        raise StoreError(
            f"{place} was written by a newer Sightdesk (version {version}, this one knows {HEAD}); "
            f"upgrade Sightdesk, or name another folder with SIGHTDESK_DATA_DIR."
        ) from error
    command.upgrade(config, HEAD)
