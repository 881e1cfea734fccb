"""Versions of the tables: from nothing to the newest, equal to the models, never backwards."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from assistant.errors import StoreError
from assistant.settings import Settings
from assistant.store import Store, migrations
from assistant.store.database import Database
from assistant.store.models import Base
from tests.test_store.steps import ask


def test_an_empty_database_is_brought_to_the_newest_version(settings: Settings) -> None:
    database = Database(settings)
    with database.engine.connect() as connection:
        assert migrations.current(connection) == migrations.HEAD
        tables = set(inspect(connection).get_table_names())
    assert tables == {"alembic_version", *Base.metadata.tables}
    assert re.fullmatch("[0-9a-f]{32}", database.identity)
    database.close()
    again = Database(settings)
    assert again.identity == database.identity
    again.close()


def test_models_and_migrations_agree(settings: Settings) -> None:
    database = Database(settings)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
        for table in Base.metadata.sorted_tables:
            found = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
            assert found == [column.name for column in table.primary_key.columns]
    database.close()


def test_head_is_the_newest_script() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrations.HEAD]
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"v{script.revision}_")


def test_a_newer_database_is_left_alone(settings: Settings) -> None:
    with Store.open(settings) as store:
        ask(store, store.create_thread("kept").id)
        with store.database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match=r"newer Sightdesk \(version 9999.*upgrade") as caught:
            Store.open(settings)
        assert str(caught.value).endswith(".")
        assert store.count_threads() == 1
        with store.database.read() as session:
            assert session.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_a_migration_that_fails_changes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = migrations.upgrade

    def broken(*args: object) -> None:
        real(*args)  # type: ignore[arg-type]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrations, "upgrade", broken)
    with pytest.raises(StoreError, match="no space left"):
        Database(settings)
    monkeypatch.undo()
    database = Database(settings)
    with database.engine.connect() as connection:
        assert migrations.current(connection) == migrations.HEAD
    database.close()


def test_many_open_an_empty_database_at_once(settings: Settings) -> None:
    start = threading.Barrier(4)
    identities: list[str] = []
    failures: list[BaseException] = []

    def open_store() -> None:
        start.wait()
        try:
            with Store.open(settings) as store:
                identities.append(store.database.identity)
                assert store.files.folder.name == "images"
        except BaseException as error:
            failures.append(error)

    people = [threading.Thread(target=open_store) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert len(identities) == 4
    assert len(set(identities)) == 1
